#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A short conversation with a device, byte by byte, from PROTOCOL.md's tables and not from our C code.

driver_wire_vectors.py ROOT writes tests/unit/driver_wire_vectors.h and the conversation in
driver/PROTOCOL.md; with --check it compares them instead.
"""
import pathlib
import struct
import sys

VERSION = 1
BEGIN, END = '<!-- conversation -->\n', '<!-- end of conversation -->\n'


def crc32c(data):
    """A bit at a time: polynomial 0x1edc6f41, here reflected; starts and ends complemented."""
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def u16(value, what):
    return struct.pack('<H', value), what


def u32(value, what):
    return struct.pack('<I', value), what


def i32(value, what):
    return struct.pack('<i', value), what


def u64(value, what):
    return struct.pack('<Q', value), what


def f64(value, what):
    return struct.pack('<d', value), what


def text(value, room, what):
    return value.encode().ljust(room, b'\0'), what


def raw(value, what):
    return bytes(value), what


def joined(fields):
    return b''.join(data for data, _ in fields)


def crc_of(fields, what):
    return u32(crc32c(joined(fields)), what)


def wrapped(*body):
    fields = [u16(VERSION, 'version'), u16(len(joined(body)), 'bytes of the body'), *body]
    return fields + [crc_of(fields, 'CRC of all before it')]


def packet(magic, kind, epoch, sequence, setup, n_frames, payload, code=0):
    data = joined(payload)
    fields = [
        raw(magic.encode(), f'"{magic}"'), u16(VERSION, 'version'), kind, u32(epoch, 'epoch'),
        u32(sequence, 'sequence'), u32(setup, 'set-up'), u32(n_frames, 'frames'),
        u32(len(data), 'bytes of the payload'), u32(code, 'code'), u32(crc32c(data), 'CRC of the payload')]
    fields.append(crc_of(fields, 'CRC of bytes 0 to 35'))
    fields += payload
    if len(joined(fields)) % 64 == 0:
        fields.append(raw(4, 'pad'))
    return fields


def frames(epoch, sequence, setup, rows):
    payload = []
    for number, reference, exposure, _ in rows:
        payload += [u64(number, 'frame number'), u16(reference, 'reference'), u16(exposure, 'exposure')]
    payload += [raw(row[3], f'inputs of frame {row[0]}') for row in rows]
    return packet('OPUF', u16(0, 'frames'), epoch, sequence, setup, len(rows), payload)


def counts(epoch, sequence, setup, rows):
    payload = []
    for number, time_s, saturated, status, _ in rows:
        payload += [u64(number, 'frame number'), f64(time_s, f'time: {time_s} s'),
                    u32(saturated, 'saturated pixels'), u32(status, 'status: ok')]
    payload += [raw(row[4], f'counts of frame {row[0]}') for row in rows]
    return packet('OPUC', u16(1, 'counts'), epoch, sequence, setup, len(rows), payload)


def refused(epoch, sequence, setup, code, why):
    fields = packet('OPUC', u16(2, 'refused'), epoch, sequence, setup, 0, [], code)
    return [(data, f'code: {why}' if what == 'code' else what) for data, what in fields]


def event(kind, sequence, value, frame, what, of):
    fields = [raw(b'EV', '"EV"'), u16(VERSION, 'version'), u16(kind, what), u16(0, 'reserved'),
              u32(sequence, 'sequence'), u32(value, of), u64(frame, 'frame number')]
    return fields + [crc_of(fields, 'CRC of bytes 0 to 23')]


def status(state, setup, epoch, wanted, frames_shown, name, laser=0):
    return wrapped(
        u32(state, name), i32(0, 'result'), u32(setup, 'set-up in force'), u32(epoch, 'epoch'),
        u32(wanted, 'sequence wanted next'), u32(0, 'packets queued'), u32(0, 'answers ready'),
        u32(laser, 'bit 0: laser on, bit 1: interlock open'), u64(frames_shown, 'frames'),
        f64(31.5, '31.5 degrees C'))


INFO = wrapped(
    u32(0x00010203, 'firmware 1.2.3'), u32(0x0d, 'capabilities'), u32(0x500, 'bit depths: 8, 10'),
    u32(8, 'default bit depth'), u32(16384, 'max_inputs'), u32(65536, 'max_pixels'),
    u32(1024, 'max_exposures'), u32(16, 'max_references'), u32(65536, 'max_out_bytes'),
    u32(131072, 'max_in_bytes'), u32(4, 'packets in the queue'), u32(1, 'bit 0: photon noise'),
    f64(10.0, 'min_exposure_us: 10'), f64(1e6, 'max_exposure_us: 1000000'), f64(1440.0, 'frame_rate_hz: 1440'),
    f64(2.5e6, 'upload_bytes_per_s: 2500000'), f64(30.0, 'power_w: 30'),
    f64(0.00048828125, 'signal_per_us: 2^-11'), f64(0.25, 'reference_per_us: 0.25'),
    f64(10000.0, 'full_well_e: 10000'), f64(13.0, 'read_noise_e: 13'), f64(0.03125, 'black_level: 2^-5'),
    text('LAB-0042', 64, 'serial "LAB-0042"'), text('board:LAB:r3', 256, 'identity "board:LAB:r3"'))

BLOCK = [
    u32(76, 'n_inputs'), u32(6, 'n_pixels'), u32(8, 'bits'), u32(0, 'outputs: sparse pixels'),
    u32(0, 'width'), u32(0, 'height'), u32(0, 'stride'), u32(0, 'binning'), f64(0.0, 'pixels_per_grain'),
    f64(0.0, 'carrier_x'), f64(0.0, 'carrier_y'), u32(2, 'exposures'), u32(1, 'references'),
    f64(100.0, 'exposure 0: 100 us'), f64(250.0, 'exposure 1: 250 us'),
    f64(0.0, 'reference 0: phase'), f64(1.0, 'amplitude 1')]

COMMIT = wrapped(u32(7, 'set-up'), u32(len(joined(BLOCK)), 'bytes of the block'),
                 crc_of(BLOCK, 'CRC of the block'))


def bits(byte):
    """76 inputs: ten bytes, the last four bits unused."""
    return bytes([byte] * 9 + [byte & 0x0f])


ROWS = [(0, 0, 0, bits(0xa5)), (1, 0, 1, bits(0xff))]
SEEN = [(0, 0.0, 0, 0, bytes([12, 40, 9, 77, 3, 130])), (1, 0.5, 2, 0, bytes([31, 255, 24, 190, 8, 255]))]
# 88 bytes of payload would make 128: the pad.
LONG_ROWS = [(2 + i, 0, i % 2, bits(0x11 * (i + 1))) for i in range(4)]


def control(request, length, incoming, value=0):
    """The eight bytes of a set-up packet, USB 2.0 table 9-2."""
    return struct.pack('<BBHHH', 0xc1 if incoming else 0x41, request, value, 0, length)


def spoilt(fields, at):
    data = bytearray(joined(fields))
    data[at] ^= 0x20
    return bytes(data)


FRAMES = frames(1, 0, 7, ROWS)
SECOND = frames(1, 1, 7, LONG_ROWS)

# (name in the header file or None, direction, heading, set-up packet or None, fields)
CONVERSATION = (
    (None, 'out', 'The host opens the device: everything back to the start, laser off.', control(7, 0, False, 1), []),
    ('info', 'in', 'It asks what the device is.', control(1, 1024, True), INFO),
    ('piece', 'out', 'The set-up: 76 inputs, 6 sparse pixels of 8 bits, two exposures, one reference. '
     'The body is the block; it fits one piece.', control(2, len(joined(wrapped(*BLOCK))), False), wrapped(*BLOCK)),
    ('commit', 'out', 'The pieces become set-up 7.', control(3, len(joined(COMMIT)), False), COMMIT),
    ('status_busy', 'in', 'The device is at work on it ...', control(6, 1024, True), status(1, 0, 1, 0, 0, 'state: busy')),
    ('status_ready', 'in', '... and done.', control(6, 1024, True), status(2, 7, 1, 0, 0, 'state: ready')),
    ('frames', 'out', 'Bulk OUT: the first packet, two frames. Its 84 bytes end in a short packet at any speed.', None, FRAMES),
    ('counts', 'in', 'Bulk IN: its answer.', None, counts(1, 0, 7, SEEN)),
    ('event', 'in', 'Interrupt IN: two pixels of frame 1 were saturated.', None,
     event(1, 0, 2, 1, 'kind: over-exposure', 'saturated pixels')),
    ('frames_pad', 'out', 'Bulk OUT: the next packet, four frames. Header and payload make 128 bytes, hence the pad. '
     'On its way bit 5 of byte 50, in a frame number, is turned over; the bytes are shown as they were sent.', None, SECOND),
    ('refused', 'in', 'Bulk IN: the device refuses it, and takes nothing more.', None,
     refused(1, 1, 7, 2, 'the payload is not what its CRC says')),
    ('message', 'in', 'The host may ask for a sentence.', control(9, 1024, True),
     wrapped(raw(b'packet 1: the CRC of the data is wrong', '"packet 1: the CRC of the data is wrong"'))),
    (None, 'out', 'It cancels its transfers and flushes both queues; the set-up stays.', control(7, 0, False, 0), []),
    ('status_flushed', 'in', 'The epoch has moved on, and sequence numbers start at 0 again.', control(6, 1024, True),
     status(2, 7, 2, 0, 2, 'state: ready', 1)),
    ('frames_again', 'out', 'Bulk OUT: the same frames once more, in the new epoch.', None, frames(2, 0, 7, LONG_ROWS)),
)


def size_fits():
    for name, _, _, setup, fields in CONVERSATION:
        if setup is None and fields and len(joined(fields)) % 64 == 0:
            sys.exit(f'{name}: a packet must not be a multiple of 64 bytes long')


def header_file():
    out = ['/* SPDX-License-Identifier: MIT */',
           '/*',
           ' * The conversation of driver/PROTOCOL.md, byte by byte. Written by driver_wire_vectors.py, an',
           ' * implementation of its own; a test compares.',
           ' */',
           '#ifndef OPU_TESTS_DRIVER_WIRE_VECTORS_H',
           '#define OPU_TESTS_DRIVER_WIRE_VECTORS_H',
           '',
           '#include <stdint.h>',
           '',
           '/* clang-format off */']
    rows = [(name, joined(fields)) for name, _, _, _, fields in CONVERSATION if name]
    rows += [('block', joined(BLOCK)), ('frames_spoilt', spoilt(SECOND, 50))]
    for name, data in rows:
        out += ['', f'static const uint8_t vector_{name}[{len(data)}] = {{']
        for i in range(0, len(data), 12):
            out.append('    ' + ' '.join(f'0x{byte:02x},' for byte in data[i:i + 12]))
        out.append('};')
    return '\n'.join(out + ['', '/* clang-format on */', '', '#endif', ''])


def hexes(data):
    """At most a line of bytes; what is left out are zeros."""
    if len(data) <= 12:
        return data.hex(' ')
    kept = data.rstrip(b'\0')
    if len(kept) <= 12:
        return f'{kept.hex(" ")}, {len(data) - len(kept)} x 00'
    return None


def dump(fields):
    lines, at = [], 0
    for data, what in fields:
        shown = hexes(data)
        if shown is None:
            for i in range(0, len(data), 16):
                lines.append(f'  {at + i:4d}  {data[i:i + 16].hex(" ")}' + (f'  {what}' if i == 0 and len(data) <= 16 else ''))
        else:
            lines.append(f'  {at:4d}  {shown:<24}  {what}')
        at += len(data)
    return lines


def chapter():
    out = []
    for _, direction, heading, setup, fields in CONVERSATION:
        out += [heading, '', '```']
        if setup is not None:
            out.append(f'setup packet {setup.hex(" ")}')
        size = len(joined(fields))
        if size:
            out.append(f'{"device sends" if direction == "in" else "host sends"} {size} bytes')
            out += dump(fields)
        out += ['```', '']
    return '\n'.join(out)


def main(arguments):
    check = '--check' in arguments
    root = pathlib.Path([a for a in arguments if a != '--check'][0])
    assert crc32c(b'123456789') == 0xe3069283
    size_fits()
    vectors, protocol = root / 'tests/unit/driver_wire_vectors.h', root / 'driver/PROTOCOL.md'
    words = protocol.read_text()
    before, rest = words.split(BEGIN)
    after = rest.split(END)[1]
    wanted = {vectors: header_file(), protocol: before + BEGIN + '\n' + chapter() + END + after}
    wrong = 0
    for path, content in wanted.items():
        if not check:
            path.write_text(content)
        elif path.read_text() != content:
            print(f'{path}: differs from what driver_wire_vectors.py writes', file=sys.stderr)
            wrong = 1
    return wrong


sys.exit(main(sys.argv[1:]))
