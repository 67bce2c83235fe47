#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Files go from Python through the library and back: base_exchange.py PROGRAM prints TAP.

Written and read by hand from the formats' definitions, and by numpy, without which that test says skip. The
safetensors package, which Debian does not have, is one more check where it is there.
"""
import ast
import json
import os
import struct
import subprocess
import sys
import tempfile

try:
    import numpy
except ImportError:
    numpy = None
try:
    import safetensors.numpy
except ImportError:
    safetensors = None

# our name in .npy, in safetensors, for struct, for numpy
DTYPES = [('<f4', 'F32', 'f', 'float32'), ('<f8', 'F64', 'd', 'float64'), ('<i4', 'I32', 'i', 'int32'),
          ('|u1', 'U8', 'B', 'uint8'), ('<u2', 'U16', 'H', 'uint16'), ('<i8', 'I64', 'q', 'int64')]
SHAPES = [(), (1,), (7,), (2, 3), (0, 4), (2, 1, 3, 1, 1, 1, 2, 1)]


def count(shape):
    n = 1
    for side in shape:
        n *= side
    return n


def elements(code, shape):
    return struct.pack('<%d%s' % (count(shape), code), *range(1, count(shape) + 1))


def npy_bytes(descr, shape, data):
    header = repr({'descr': descr, 'fortran_order': False, 'shape': shape}).encode()
    header += b' ' * (-(len(header) + 11) % 64) + b'\n'
    return b'\x93NUMPY\x01\x00' + struct.pack('<H', len(header)) + header + data


def npy_parse(content):
    assert content[:8] == b'\x93NUMPY\x01\x00'
    length, = struct.unpack_from('<H', content, 8)
    assert (10 + length) % 64 == 0 and content[10 + length - 1:10 + length] == b'\n'
    header = ast.literal_eval(content[10:10 + length].decode('latin1'))
    assert sorted(header) == ['descr', 'fortran_order', 'shape'] and header['fortran_order'] is False
    return header['descr'], header['shape'], content[10 + length:]


def safetensors_bytes(tensors, meta):
    header, data = {'__metadata__': meta}, b''
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {'dtype': dtype, 'shape': list(shape),
                        'data_offsets': [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    return struct.pack('<Q', len(text)) + text + data


def safetensors_parse(content):
    length, = struct.unpack_from('<Q', content)
    assert length % 8 == 0 and content[8:9] == b'{'
    header = json.loads(content[8:8 + length])
    meta = header.pop('__metadata__', {})
    data, tensors, end = content[8 + length:], {}, 0
    for name, entry in header.items():
        begin, stop = entry['data_offsets']
        assert begin == end, 'in the order given, without a gap'
        tensors[name] = entry['dtype'], tuple(entry['shape']), data[begin:stop]
        end = stop
    assert end == len(data)
    return tensors, meta


def exchange(program, kind, content):
    with tempfile.TemporaryDirectory() as folder:
        source, target = os.path.join(folder, 'in'), os.path.join(folder, 'out')
        with open(source, 'wb') as file:
            file.write(content)
        subprocess.run([program, kind, source, target], check=True)
        with open(target, 'rb') as file:
            return file.read()


def npy_by_hand(program):
    for descr, _, code, _ in DTYPES:
        for shape in SHAPES:
            data = elements(code, shape)
            result = npy_parse(exchange(program, 'npy', npy_bytes(descr, shape, data)))
            assert result == (descr, shape, data), (descr, shape, result)


def npy_by_numpy(program):
    import io
    for _, _, _, name in DTYPES:
        for shape in SHAPES:
            array = numpy.arange(1, count(shape) + 1, dtype=name).reshape(shape)
            source = io.BytesIO()
            numpy.save(source, array)
            back = numpy.load(io.BytesIO(exchange(program, 'npy', source.getvalue())))
            assert back.dtype == array.dtype and back.shape == array.shape
            assert numpy.array_equal(back, array)


def examples():
    return {'%s %d \u00e9' % (name, i): (name, shape, elements(code, shape))
            for i, (_, name, code, _) in enumerate(DTYPES) for shape in [SHAPES[i % len(SHAPES)]]}


def safetensors_by_hand(program):
    meta = {'identity': 'sim:gaussian:0123 "\u00e9"'}
    result = safetensors_parse(exchange(program, 'safetensors', safetensors_bytes(examples(), meta)))
    assert result == (examples(), meta), result


def safetensors_by_the_package(program):
    arrays = {name: numpy.frombuffer(data, next(d[3] for d in DTYPES if d[1] == dtype)).reshape(shape)
              for name, (dtype, shape, data) in examples().items()}
    content = safetensors.numpy.save(arrays, {'identity': 'x'})
    back = safetensors.numpy.load(exchange(program, 'safetensors', content))
    assert sorted(back) == sorted(arrays)
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype and numpy.array_equal(back[name], array)


def main(program):
    tests = [npy_by_hand, safetensors_by_hand, npy_by_numpy]
    tests += [safetensors_by_the_package] if numpy and safetensors else []
    print('1..%d' % len(tests))
    for i, test in enumerate(tests):
        try:
            if test is npy_by_numpy and not numpy:
                print('ok %d - %s # SKIP %s has no numpy' % (i + 1, test.__name__, sys.executable))
                continue
            test(program)
            print('ok %d - %s' % (i + 1, test.__name__))
        except (AssertionError, subprocess.CalledProcessError, ValueError) as error:
            print('not ok %d - %s\n# %r' % (i + 1, test.__name__, error))


main(sys.argv[1])
