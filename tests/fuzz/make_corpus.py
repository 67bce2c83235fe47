#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the binary part of the corpus: make_corpus.py [FOLDER]; with --check compares instead."""
import os
import struct
import sys
import zlib


def npy(header, data=b'', version=b'\x01\x00', length=None):
    pack = '<H' if version == b'\x01\x00' else '<I'
    text = header.encode()
    return b'\x93NUMPY' + version + struct.pack(pack, len(text) if length is None else length) + text + data


def entry(descr="'<f4'", order='False', shape='(2, 3)'):
    return "{'descr': %s, 'fortran_order': %s, 'shape': %s, }" % (descr, order, shape)


def safetensors(header, data=b'', length=None):
    text = header.encode()
    return struct.pack('<Q', len(text) if length is None else length) + text + data


def tensor(name, dtype, shape, begin, end):
    return '"%s":{"dtype":"%s","shape":%s,"data_offsets":[%d,%d]}' % (name, dtype, shape, begin, end)


def idx(*shape, data=b'', magic=b'\0\0\x08'):
    return magic + bytes([len(shape)]) + struct.pack('>%dI' % len(shape), *shape) + data


def gzip(data, crc=None):
    # One stored block, so that the bytes depend on no compressor.
    stored = b'\x01' + struct.pack('<HH', len(data), len(data) ^ 0xffff) + data
    return (b'\x1f\x8b\x08\0\0\0\0\0\0\x03' + stored
            + struct.pack('<II', zlib.crc32(data) if crc is None else crc, len(data)))


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return struct.pack('<I', crc ^ 0xffffffff)


def signed(data):
    return data + crc32c(data)


def wrapped(body, version=1, length=None):
    return signed(struct.pack('<HH', version, len(body) if length is None else length) + body)


def opu_packet(magic, kind, n_frames, payload, version=1, length=None, code=0, pad=None):
    head = magic + struct.pack('<HHIIIIII', version, kind, 1, 0, 7, n_frames,
                               len(payload) if length is None else length, code) + crc32c(payload)
    if pad is None:
        pad = bytes(4) if (len(head) + 4 + len(payload)) % 64 == 0 else b''
    return signed(head) + payload + pad


def opu_event(kind=1, version=1, reserved=0):
    return signed(struct.pack('<2sHHHIIQ', b'EV', version, kind, reserved, 3, 2, 1))


def opu_setup(exposures=(100.0,), references=((0.0, 1.0),), n_exposures=None, n_references=None, inputs=76, pixels=6,
              bits=8, region=(0, 0, 0, 0, 0)):
    block = struct.pack('<8I3dII', inputs, pixels, bits, *region, 0.0, 0.0, 0.0,
                        len(exposures) if n_exposures is None else n_exposures,
                        len(references) if n_references is None else n_references)
    block += struct.pack('<%dd' % len(exposures), *exposures)
    return block + b''.join(struct.pack('<dd', *reference) for reference in references)


def opu_info(queue=4, rate=1440.0, serial=b'LAB-0042', identity=b'board:LAB:r3'):
    return struct.pack('<12I10d64s256s', 0x10203, 0x0d, 0x500, 8, 16384, 65536, 1024, 16, 65536, 131072, queue, 1,
                       10.0, 1e6, rate, 2.5e6, 30.0, 0.5, 0.25, 1e4, 13.0, 0.03125, serial, identity)


def opu_frames(n, row=10):
    return b''.join(struct.pack('<QHH', i, 0, i % 2) for i in range(n)) + bytes(range(row)) * n


def opu_counts(n, pixels=6):
    return b''.join(struct.pack('<QdII', i, 0.5, 0, 0) for i in range(n)) + bytes(range(pixels)) * n


# What fuzz_wire.c reads the rest as; MEND: it makes the CRC right first.
INFO, STATUS, STATISTICS, COMMIT, BYTES, SETUP, OUT, IN, EVENT, CRC = (bytes([i]) for i in range(10))
MEND = 0x80


def mended(kind, data):
    return bytes([kind[0] | MEND]) + data


def usb_endpoint(address, kind, packet=512, interval=0):
    return struct.pack('<BBBBHB', 7, 5, address, kind, packet, interval)


def usb_interface(number=0, alternate=0, ends=3, cls=0xff, sub=0x4f, protocol=1, length=9):
    return bytes([length, 4, number, alternate, ends, cls, sub, protocol, 0])


def usb_config(*parts, total=None):
    body = b''.join(parts)
    return struct.pack('<BBHBBBBB', 9, 2, 9 + len(body) if total is None else total, 1, 1, 0, 0xc0, 0) + body


OPU_ENDS = (usb_endpoint(0x01, 2), usb_endpoint(0x82, 2), usb_endpoint(0x83, 3, 32, 7))


def usb_request(kind, request, value, index, length):
    return struct.pack('<BBHHH', kind, request, value, index, length)


FLOATS = struct.pack('<6f', *range(6))

def usbip_submit(sequence, endpoint, n, data=b'', setup=bytes(8), flags=0, packets=0, direction=None):
    """A USB/IP command with its data."""
    direction = endpoint >> 7 if direction is None else direction
    return struct.pack('>10I', 1, sequence, 0x10002, direction, endpoint & 15, flags, n, 0, packets, 0) + setup + data


def usbip_unlink(sequence, victim):
    return struct.pack('>6I', 2, sequence, 0x10002, 0, 0, victim) + bytes(24)


def usb_setup(kind, request, value=0, index=0, length=0):
    return struct.pack('<BBHHH', kind, request, value, index, length)


def redir(kind, number, body, wide=True):
    """A usbredir packet; ids have 64 bits after the greetings."""
    return struct.pack('<II', kind, len(body)) + struct.pack('<Q' if wide else '<I', number) + body


def redir_hello(caps=0x72):
    return redir(0, 0, b'fuzz'.ljust(64, b'\0') + struct.pack('<I', caps), wide=False)


def redir_control(number, kind, request, value=0, index=0, length=0, data=b''):
    return redir(100, number, struct.pack('<BBBBHHH', kind & 0x80, request, kind, 0, value, index, length) + data)


def redir_bulk(number, endpoint, n, data=b''):
    return redir(101, number, struct.pack('<BBHIH', endpoint, 0, n & 0xffff, 0, n >> 16) + data)


CORPUS = {
    'descriptors': {
        'empty': b'',
        'ours': usb_config(usb_interface(), *OPU_ENDS),
        'super_speed': usb_config(usb_interface(), *(end + b'\x06\x30\x0f\0\0\0' for end in OPU_ENDS)),
        'second_interface': usb_config(usb_interface(cls=3, sub=0, ends=1), usb_endpoint(0x81, 3, 8, 10),
                                       usb_interface(number=1), *OPU_ENDS),
        'alternate': usb_config(usb_interface(ends=0), usb_interface(alternate=1), *OPU_ENDS),
        'other_numbers': usb_config(usb_interface(), usb_endpoint(0x86, 3, 64, 4), usb_endpoint(0x07, 2),
                                    usb_endpoint(0x85, 2)),
        'other_version': usb_config(usb_interface(protocol=2), *OPU_ENDS),
        'trailing': usb_config(usb_interface(), *OPU_ENDS) + b'xyz',
        'no_event': usb_config(usb_interface(ends=2), *OPU_ENDS[:2]),
        'no_length': usb_config(usb_interface(), b'\0\x05', *OPU_ENDS),
        'one_byte_left': usb_config(usb_interface(), *OPU_ENDS, b'\x07'),
        'interface_too_short': usb_config(usb_interface(length=8)[:8], *OPU_ENDS),
        'endpoint_too_short': usb_config(usb_interface(), b'\x06\x05\x01\x02\0\x02', *OPU_ENDS),
        'beyond_end': usb_config(usb_interface(), *OPU_ENDS)[:-3],
        'total_beyond_end': usb_config(usb_interface(), *OPU_ENDS, total=65535),
        'total_too_small': usb_config(usb_interface(), *OPU_ENDS, total=4),
        'no_packet_size': usb_config(usb_interface(), usb_endpoint(0x01, 2, 0), *OPU_ENDS[1:]),
        'ask_device': usb_request(0x80, 6, 0x100, 0, 18),
        'ask_config': usb_request(0x80, 6, 0x200, 0, 255),
        'ask_config_head': usb_request(0x80, 6, 0x200, 0, 9),
        'ask_string': usb_request(0x80, 6, 0x302, 0x409, 255),
        'ask_bos': usb_request(0x80, 6, 0xf00, 0, 255),
        'ask_qualifier': usb_request(0x80, 6, 0x600, 0, 10),
        'ask_microsoft': usb_request(0xc0, 0x20, 0, 7, 162),
        'ask_nothing': usb_request(0x80, 6, 0x100, 0, 0),
    },
    'idx': {
        'empty': b'',
        'plain': idx(2, 3, data=b'abcdef'),
        'zipped': gzip(idx(2, 3, data=b'abcdef')),
        'vector': idx(4, data=b'abcd'),
        'rank4': idx(1, 2, 1, 2, data=b'abcd'),
        'rank5': idx(1, 1, 1, 1, 1, data=b'a'),
        'rank0': idx(data=b'a'),
        'floats': idx(1, data=b'abcd', magic=b'\0\0\x0d'),
        'no_rows': idx(0, 3),
        'overflow': idx(*[0xffffffff] * 4),
        'too_large': idx(65536, 65537),
        'cut_off': idx(2, 3, data=b'abcde'),
        'trailing': idx(2, 3, data=b'abcdefg'),
        'cut_in_header': idx(2, 3)[:9],
        'cut_in_magic': b'\0\0',
        'zipped_cut_off': gzip(idx(2, 3, data=b'abcde')),
        'zipped_trailing': gzip(idx(2, 3, data=b'abcdefg')),
        'zipped_wrong_crc': gzip(idx(2, 3, data=b'abcdef'), crc=1),
        'zipped_cut_in_trailer': gzip(idx(2, 3, data=b'abcdef'))[:-3],
        'zipped_then_more': gzip(idx(2, 3, data=b'abcdef')) + b'x',
        'zipped_promise': gzip(idx(32768, 65536)),
        'gzip_magic': b'\x1f\x8b',
        'gzip_method': b'\x1f\x8b\x09\0\0\0\0\0\0\x03abcdefgh',
    },
    'npy': {
        'empty': b'',
        'magic_only': b'\x93NUMPY',
        'float32_2x3': npy(entry() + ' ' * 20 + '\n', FLOATS),
        'float64_scalar': npy(entry("'<f8'", shape='()'), struct.pack('<d', 1.5)),
        'int32_vector': npy(entry("'<i4'", shape='(3,)'), struct.pack('<3i', 1, -2, 3)),
        'int64_no_rows': npy(entry("'<i8'", shape='(0, 5)')),
        'uint8_rank8': npy(entry("'|u1'", shape='(1, 1, 1, 1, 1, 1, 1, 2)'), b'ab'),
        'uint16_version2': npy(entry("'<u2'", shape='(1,)') + '\n', b'ab', version=b'\x02\x00'),
        'double_quotes': npy(entry('"<f4"').replace("'", '"'), FLOATS),
        'version3': npy(entry(), FLOATS, version=b'\x03\x00'),
        'fortran': npy(entry(order='True'), FLOATS),
        'big_endian': npy(entry("'>f4'"), FLOATS),
        'structured': npy(entry("[('a', '<f4')]", shape='(6,)'), FLOATS),
        'overflow': npy(entry(shape='(4294967296, 4294967296)'), b'12345678'),
        'dimension_beyond_64_bits': npy(entry(shape='(99999999999999999999,)')),
        'negative': npy(entry(shape='(-1,)')),
        'rank9': npy(entry("'|u1'", shape='(1, 1, 1, 1, 1, 1, 1, 1, 1)'), b'a'),
        'cut_off': npy(entry(), FLOATS[:-1]),
        'trailing': npy(entry(), FLOATS + b'x'),
        'header_beyond_file': npy(entry(), length=65535),
        'header_beyond_file2': npy(entry(), version=b'\x02\x00', length=0xffffffff),
        'open_string': npy("{'descr"),
        'key_twice': npy("{'descr': '<f4', 'descr': '<f4'}"),
        'no_shape': npy("{'descr': '<f4', 'fortran_order': False}"),
    },
    'safetensors': {
        'empty': b'',
        'short': b'1234567',
        'no_tensors': safetensors('{}'),
        'two': safetensors('{' + tensor('w', 'F32', '[2,3]', 0, 24) + ',' + tensor('n', 'I64', '[]', 24, 32)
                           + '}   ', FLOATS + bytes(8)),
        'order_reversed': safetensors('{' + tensor('b', 'U8', '[2]', 4, 6) + ',' + tensor('a', 'I32', '[1]', 0, 4)
                                      + '}', b'abcdef'),
        'metadata': safetensors('{"__metadata__":{"format":"pt","x":"y"},' + tensor('a', 'U16', '[1]', 0, 2)
                                + '}', b'ab'),
        'no_rows': safetensors('{' + tensor('a', 'F64', '[0,4]', 0, 0) + ',' + tensor('b', 'U8', '[1]', 0, 1)
                               + '}', b'a'),
        'escapes': safetensors('{' + tensor('a\\u00e9\\n\\"', 'U8', '[1]', 0, 1) + '}', b'a'),
        'metadata_number': safetensors('{"__metadata__":{"x":1}}'),
        'overlap': safetensors('{' + tensor('a', 'U8', '[4]', 0, 4) + ',' + tensor('b', 'U8', '[4]', 3, 7)
                               + '}', b'abcdefg'),
        'gap': safetensors('{' + tensor('a', 'U8', '[4]', 1, 5) + '}', b'abcde'),
        'trailing': safetensors('{' + tensor('a', 'U8', '[4]', 0, 4) + '}', b'abcde'),
        'cut_off': safetensors('{' + tensor('a', 'U8', '[4]', 0, 4) + '}', b'abc'),
        'offsets_descending': safetensors('{' + tensor('a', 'U8', '[4]', 4, 0) + '}', b'abcd'),
        'overflow': safetensors('{' + tensor('a', 'F32', '[4294967296,4294967296]', 0, 0) + '}'),
        'dimension_beyond_64_bits': safetensors('{' + tensor('a', 'F32', '[99999999999999999999]', 0, 0) + '}'),
        'negative': safetensors('{' + tensor('a', 'F32', '[-1]', 0, 4) + '}', b'abcd'),
        'rank9': safetensors('{' + tensor('a', 'U8', '[1,1,1,1,1,1,1,1,1]', 0, 1) + '}', b'a'),
        'bfloat16': safetensors('{' + tensor('a', 'BF16', '[1]', 0, 2) + '}', b'ab'),
        'name_twice': safetensors('{' + tensor('a', 'U8', '[1]', 0, 1) + ',' + tensor('a', 'U8', '[1]', 1, 2)
                                  + '}', b'ab'),
        'header_of_everything': safetensors('{}', length=2**64 - 1),
        'header_over_limit': safetensors('{}', length=100000001),
        'header_beyond_file': safetensors('{}', length=3),
        'no_json': safetensors('{"a":'),
        'list': safetensors('[]'),
        'deep': safetensors('{"a":' + '[' * 100 + ']' * 100 + '}'),
    },
    'wire': {
        'empty': b'',
        'info': INFO + wrapped(opu_info()),
        'info_no_queue': INFO + wrapped(opu_info(queue=0)),
        'info_not_a_number': INFO + wrapped(opu_info(rate=float('nan'))),
        'info_serial_without_end': INFO + wrapped(opu_info(serial=b'x' * 64)),
        'info_control_character': INFO + wrapped(opu_info(serial=b'a\nb')),
        'info_cut_off': INFO + wrapped(opu_info())[:-5],
        'info_other_version': INFO + wrapped(opu_info(), version=2),
        'info_wrong_crc': INFO + wrapped(opu_info())[:-1] + b'\0',
        'info_mended': mended(INFO, wrapped(opu_info())[:-1] + b'\0'),
        'status': STATUS + wrapped(struct.pack('<IiIIIIIIQd', 2, 0, 7, 1, 5, 1, 0, 1, 99, 31.5)),
        'status_unknown_state': STATUS + wrapped(struct.pack('<IiIIIIIIQd', 4, 0, 7, 1, 5, 1, 0, 1, 99, 31.5)),
        'status_positive_result': STATUS + wrapped(struct.pack('<IiIIIIIIQd', 3, 1, 7, 1, 5, 1, 0, 1, 99, 31.5)),
        'statistics': STATISTICS + wrapped(struct.pack('<6Q2d2Q', 1, 2, 3, 4, 5, 6, 0.5, 1.5, 7, 8)),
        'statistics_negative': STATISTICS + wrapped(struct.pack('<6Q2d2Q', 1, 2, 3, 4, 5, 6, -0.5, 1.5, 7, 8)),
        'commit': COMMIT + wrapped(struct.pack('<III', 7, 96, 0x73b61115)),
        'commit_too_long': COMMIT + wrapped(struct.pack('<III', 7, 24641, 0)),
        'bytes': BYTES + wrapped(b'packet 1: the CRC of the data is wrong'),
        'bytes_none': BYTES + wrapped(b''),
        'bytes_most': BYTES + wrapped(bytes(1008)),
        'bytes_too_many': BYTES + wrapped(bytes(1009)),
        'bytes_length_beyond': BYTES + wrapped(b'abc', length=65535),
        'setup': SETUP + opu_setup(),
        'setup_region': SETUP + opu_setup(region=(1, 3, 2, 1, 2)),
        'setup_region_overflow': SETUP + opu_setup(region=(1, 65536, 65536, 1, 1)),
        'setup_no_exposure': SETUP + opu_setup(exposures=()),
        'setup_exposure_not_a_number': SETUP + opu_setup(exposures=(float('nan'),)),
        'setup_most_promised': SETUP + opu_setup(n_exposures=1024, n_references=1024),
        'setup_too_many': SETUP + opu_setup(n_exposures=0xffffffff, n_references=0xffffffff),
        'setup_trailing': SETUP + opu_setup() + b'x',
        'frames': OUT + opu_packet(b'OPUF', 0, 2, opu_frames(2)),
        'frames_pad': OUT + opu_packet(b'OPUF', 0, 4, opu_frames(4)),
        'frames_pad_spoilt': OUT + opu_packet(b'OPUF', 0, 4, opu_frames(4), pad=b'\0\0\0\x01'),
        'frames_pad_missing': OUT + opu_packet(b'OPUF', 0, 4, opu_frames(4), pad=b''),
        'frames_cut_off': OUT + opu_packet(b'OPUF', 0, 2, opu_frames(2))[:-1],
        'frames_none': OUT + opu_packet(b'OPUF', 0, 0, b'x'),
        'frames_more_than_bytes': OUT + opu_packet(b'OPUF', 0, 0xffffffff, opu_frames(2)),
        'frames_length_beyond': OUT + opu_packet(b'OPUF', 0, 2, opu_frames(2), length=0xffffffff),
        'frames_other_version': OUT + opu_packet(b'OPUF', 0, 2, opu_frames(2), version=2),
        'counts': IN + opu_packet(b'OPUC', 1, 2, opu_counts(2)),
        'counts_out': OUT + opu_packet(b'OPUC', 1, 2, opu_counts(2)),
        'counts_unknown_kind': IN + opu_packet(b'OPUC', 3, 2, opu_counts(2)),
        'refused': IN + opu_packet(b'OPUC', 2, 0, b'', code=2),
        'refused_for_nothing': IN + opu_packet(b'OPUC', 2, 0, b''),
        'event': EVENT + opu_event(),
        'event_unknown_kind': EVENT + opu_event(kind=77),
        'event_reserved': EVENT + opu_event(reserved=1),
        'crc': CRC + bytes(range(256)) * 4,
    },
}

IMPORTED = b'\xff'  # long pieces, imported
GREETING = b'\xfe'
DEVICE = usb_setup(0x80, 6, 0x100, 0, 64)
CORPUS['usbip'] = {
    'list': GREETING + b'\x01\x11\x80\x05' + bytes(4),
    'list_in_pieces': b'\x02' + b'\x01\x11\x80\x05' + bytes(4),
    'import': GREETING + b'\x01\x11\x80\x03' + bytes(4) + b'1-1'.ljust(32, b'\0') + usbip_submit(1, 0x80, 64, setup=DEVICE),
    'import_other': GREETING + b'\x01\x11\x80\x03' + bytes(4) + b'9-9'.ljust(32, b'\0'),
    'other_version': GREETING + b'\x01\x06\x80\x05' + bytes(4),
    'descriptor': IMPORTED + usbip_submit(1, 0x80, 64, setup=DEVICE),
    'descriptor_no_room': IMPORTED + usbip_submit(1, 0x80, 4, setup=DEVICE),
    'echo': IMPORTED + usbip_submit(1, 0x82, 512) + usbip_submit(2, 0x01, 5, b'hello') + usbip_submit(3, 0x83, 64),
    'echo_in_pieces': b'\x0d' + usbip_submit(1, 0x82, 512) + usbip_submit(2, 0x01, 5, b'hello'),
    'split': IMPORTED + usbip_submit(1, 0x01, 512, bytes(512)) + usbip_submit(2, 0x01, 7, b'theends') + usbip_submit(3, 0x82, 1024),
    'zero_packet': IMPORTED + usbip_submit(1, 0x01, 512, bytes(512), flags=0x40) + usbip_submit(2, 0x82, 512, flags=1),
    'unlink_waiting': IMPORTED + usbip_submit(1, 0x82, 64) + usbip_submit(2, 0x82, 64) + usbip_unlink(3, 1),
    'unlink_answered': IMPORTED + usbip_submit(1, 0x01, 1, b'x') + usbip_unlink(2, 1) + usbip_unlink(3, 9),
    'clear_halt': IMPORTED + usbip_submit(1, 0, 0, setup=usb_setup(2, 1, 0, 0x82)),
    'vendor': IMPORTED + usbip_submit(1, 0, 3, b'abc', setup=usb_setup(0x41, 1, length=3))
              + usbip_submit(2, 0x80, 8, setup=usb_setup(0xc1, 2, length=8)),
    'wrong_direction': IMPORTED + usbip_submit(1, 0, 2, b'ab', setup=DEVICE),
    'too_long': IMPORTED + usbip_submit(1, 0x01, (16 << 20) + 1),
    'most': IMPORTED + usbip_submit(1, 0x82, 16 << 20) * 9,
    'isochronous': IMPORTED + usbip_submit(1, 0x82, 64, packets=3),
    'bad_endpoint': IMPORTED + usbip_submit(1, 0x85, 64) + usbip_submit(1, 0x82, 64, direction=2),
    'bad_command': IMPORTED + struct.pack('>I', 9) + bytes(44),
}
CORPUS['usbredir'] = {
    'hello': redir_hello(),
    'hello_twice': redir_hello() + redir(0, 0, bytes(68)),
    'descriptor': redir_hello() + redir_control(1, 0x80, 6, 0x100, 0, 64),
    'vendor': redir_hello() + redir_control(1, 0x41, 1, length=3, data=b'abc') + redir_control(2, 0xc1, 2, length=8),
    'configuration': redir_hello() + redir(6, 1, b'\x01') + redir(7, 2, b'') + redir(9, 3, b'\0\0') + redir(10, 4, b'\0'),
    'echo': redir_hello() + redir_bulk(1, 0x82, 512) + redir_bulk(2, 0x01, 5, b'hello') + redir_bulk(3, 0x82, 70000),
    'cancel': redir_hello() + redir_bulk(1, 0x82, 512) + redir(21, 1, b'') + redir(21, 1, b''),
    'events': redir_hello() + redir(15, 1, b'\x83') + redir_bulk(2, 0x01, 1, b'x') + redir(16, 3, b'\x83'),
    'event_id': redir_hello() + redir_bulk(2**64 - 1, 0x82, 512) + redir(16, 3, b'\x83'),
    'reset': redir_hello() + redir(3, 0, b'') + redir_bulk(1, 0x82, 512),
    'iso': redir_hello() + redir(12, 1, b'\x84\x01\x01') + redir(13, 2, b'\x84') + redir(102, 3, b'\x04\0\x02\0ab'),
    'interrupt_out': redir_hello() + redir(103, 3, b'\x03\0\x02\0ab'),
    'streams': redir_hello(0xff) + redir(18, 1, bytes(8)) + redir(19, 2, bytes(4)),
    'bulk_receiving': redir_hello(0xff) + redir(25, 1, bytes(10)) + redir(26, 2, bytes(5)),
    'filter': redir_hello(0xff) + redir(22, 0, b'') + redir(23, 0, b'-1,-1,-1,-1,1\0') + redir(24, 0, b''),
    'too_long': redir_hello() + redir_bulk(1, 0x82, 0x1010000),
    'length_beyond': redir_hello() + struct.pack('<IIQ', 101, 0xffffffff, 1) + bytes(16),
    'wrong_side': redir_hello() + redir(1, 0, bytes(10)) + redir(4, 0, bytes(132)) + redir(5, 0, bytes(288)),
    'no_hello': redir_bulk(1, 0x82, 512),
}


def main(arguments):
    check = '--check' in arguments
    folders = [a for a in arguments if a != '--check']
    root = folders[0] if folders else os.path.join(os.path.dirname(os.path.abspath(__file__)), 'corpus')
    wrong = []
    for target, files in CORPUS.items():
        os.makedirs(os.path.join(root, target), exist_ok=True)
        for name, content in files.items():
            path = os.path.join(root, target, name)
            if not check:
                with open(path, 'wb') as file:
                    file.write(content)
                continue
            with open(path, 'rb') as file:
                if file.read() != content:
                    wrong.append(path)
    for path in wrong:
        print('%s: differs from what make_corpus.py writes' % path, file=sys.stderr)
    return 1 if wrong else 0


sys.exit(main(sys.argv[1:]))
