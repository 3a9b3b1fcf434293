// Types, and from a wide sum back to a code.

typedef unsigned char Code;
typedef unsigned int Word;
typedef long long Long;
typedef unsigned long long Size;

// Requantisation on codes: zero point and clamp lie 128 higher than the specification's.
struct Round {
    int shift, zero_point, lo, hi;
};

// Half up by an arithmetic shift, for negative numbers too; |scaled| < 2^62.2 and the half is at most 2^61.
DEVICE Code round_code(Long scaled, const Round &r) {
    Long value = ((scaled + (1ll << (r.shift - 1))) >> r.shift) + r.zero_point;
    return (Code)(value < r.lo ? r.lo : value > r.hi ? r.hi : value);
}

DEVICE Code requantise(int sum, int multiplier, const Round &r) { return round_code((Long)sum * multiplier, r); }

// Adjacent codes.
template <int run> struct alignas(run) Codes {
    Code at[run];
};

// A sum or a product of two values.
struct Pairing {
    // Zero points as codes; multipliers of both for a sum, the first alone for a product.
    int a_zero, b_zero, a_multiplier, b_multiplier;
    Round round;
};

template <bool product> DEVICE Code combine(const Pairing &p, Code a, Code b) {
    int x = a - p.a_zero, y = b - p.b_zero;
    return product ? requantise(x * y, p.a_multiplier, p.round) : round_code((Long)x * p.a_multiplier + (Long)y * p.b_multiplier, p.round);
}

// A sliding window over [height, width] pixels.
struct Window {
    int height, width, out_width;
    int kernel_h, kernel_w, stride_y, stride_x, top, left, dilation_y, dilation_x;
};
