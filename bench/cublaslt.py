"""Products of int8 codes with NVIDIA's cuBLASLt, for each algorithm that it proposes. The constants are from its header cublasLt.h."""

import ctypes

# GPU memory that an algorithm may use as its workspace, and the number of algorithms to ask for.
WORKSPACE = 32 << 20
CANDIDATES = 8

COMPUTE_32I, R_8I, R_32I = 72, 3, 10
TRANSPOSE_A, TRANSPOSED = 3, 1
MAX_WORKSPACE_BYTES = 1

POINTER, INT, SIZE = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t
FUNCTIONS = {
    "Create": [POINTER],
    "MatmulDescCreate": [POINTER, INT, INT],
    "MatmulDescSetAttribute": [POINTER, INT, POINTER, SIZE],
    "MatrixLayoutCreate": [POINTER, INT, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_int64],
    "MatmulPreferenceCreate": [POINTER],
    "MatmulPreferenceSetAttribute": [POINTER, INT, POINTER, SIZE],
    "MatmulAlgoGetHeuristic": [*[POINTER] * 7, INT, POINTER, POINTER],
    "Matmul": [*[POINTER] * 14, SIZE, POINTER],
}


class Candidate(ctypes.Structure):
    """A proposed algorithm: cublasLtMatmulHeuristicResult_t."""

    _fields_ = [("algorithm", ctypes.c_uint64 * 8), ("workspace", SIZE), ("state", INT), ("waves", ctypes.c_float), ("reserved", INT * 4)]


def loaded():
    """The cuBLASLt that PyTorch has loaded into this process."""
    with open("/proc/self/maps") as maps:
        paths = [line.split(maxsplit=5)[-1].strip() for line in maps if "/libcublasLt.so" in line]
    if not paths:
        raise OSError("PyTorch has loaded no cuBLASLt")
    return ctypes.CDLL(paths[0])


class Product:
    """The int32 product of `rows` × `terms` codes and `columns` × `terms` codes, both row-major. Its handles are never freed."""

    def __init__(self, library, rows, columns, terms):
        self.library = library
        for name, arguments in FUNCTIONS.items():
            getattr(library, f"cublasLt{name}").argtypes = arguments
        self.handle = self.made("Create")
        # cuBLASLt is column-major, so it sees all matrices transposed. Therefore the sums are the second factor, transposed back, times the
        # first one as it is. This is also the only form that cuBLASLt supports for int8.
        self.operation = self.made("MatmulDescCreate", COMPUTE_32I, R_32I)
        self.set("MatmulDescSetAttribute", self.operation, TRANSPOSE_A, INT(TRANSPOSED))
        sizes = [(R_8I, terms, columns), (R_8I, terms, rows), (R_32I, columns, rows)]
        self.second, self.first, self.sums = (self.made("MatrixLayoutCreate", kind, height, width, height) for kind, height, width in sizes)
        preference = self.made("MatmulPreferenceCreate")
        self.set("MatmulPreferenceSetAttribute", preference, MAX_WORKSPACE_BYTES, ctypes.c_uint64(WORKSPACE))
        found, count = (Candidate * CANDIDATES)(), INT()
        layouts = [self.second, self.first, self.sums, self.sums]
        self.call("MatmulAlgoGetHeuristic", self.handle, self.operation, *layouts, preference, CANDIDATES, found, ctypes.byref(count))
        self.candidates = [candidate for candidate in found[: count.value] if candidate.state == 0]

    def call(self, name, *arguments):
        status = getattr(self.library, f"cublasLt{name}")(*arguments)
        if status != 0:
            raise RuntimeError(f"cublasLt{name} failed with status {status}")

    def made(self, name, *arguments):
        made = POINTER()
        self.call(name, ctypes.byref(made), *arguments)
        return made

    def set(self, name, of, attribute, value):
        self.call(name, of, attribute, ctypes.byref(value), ctypes.sizeof(value))

    def run(self, candidate, first, second, sums, workspace):
        """Starts a product of tensors with an algorithm, on PyTorch's default stream."""
        at = [tensor.data_ptr() for tensor in (second, first, sums, workspace)]
        one, zero = ctypes.byref(INT(1)), ctypes.byref(INT(0))
        factors = [one, at[0], self.second, at[1], self.first]
        sums = [zero, *[at[2], self.sums] * 2]
        self.call("Matmul", self.handle, self.operation, *factors, *sums, ctypes.byref(candidate), at[3], WORKSPACE, None)
