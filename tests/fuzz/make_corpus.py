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


FLOATS = struct.pack('<6f', *range(6))

CORPUS = {
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
