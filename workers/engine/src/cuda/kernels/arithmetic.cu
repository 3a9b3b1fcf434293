// Types, and requantisation of wide sums to codes.

typedef unsigned char Code;
typedef unsigned int Word;
typedef long long Long;
typedef unsigned long long Size;

// Requantisation on codes: zero point and clamp are 128 higher than in the specification.
struct Round {
    int shift, zero_point, lo, hi;
};

// With shifts of at least this, which 31-bit multipliers have, the result of the shift is in the high word alone.
const int HIGH = 32;

// Rounds half up with an arithmetic shift, for negative numbers too; |scaled| < 2^62.2 and the half is at most 2^61. `high` is for shifts
// of at least HIGH, and takes half the instructions.
template <bool high = false> DEVICE Code round_code(Long scaled, const Round &r) {
    scaled += 1ll << (r.shift - 1);
    if (high) {
        int value = ((int)(scaled >> 32) >> (r.shift - 32)) + r.zero_point;
        value = value > r.hi ? r.hi : value;
        return (Code)(value < r.lo ? r.lo : value);
    }
    Long value = (scaled >> r.shift) + r.zero_point;
    return (Code)(value < r.lo ? r.lo : value > r.hi ? r.hi : value);
}

template <bool high = false> DEVICE Code requantise(int sum, int multiplier, const Round &r) {
    return round_code<high>((Long)sum * multiplier, r);
}

// Adjacent codes.
template <int run> struct alignas(run) Codes {
    Code at[run];
};

// A sum or a product of two values.
struct Pairing {
    // Zero points as codes. A sum has two multipliers, a product only the first.
    int a_zero, b_zero, a_multiplier, b_multiplier;
    Round round;
};

template <bool product, bool high = false> DEVICE Code combine(const Pairing &p, Code a, Code b) {
    int x = a - p.a_zero, y = b - p.b_zero;
    if (product) return requantise<high>(x * y, p.a_multiplier, p.round);
    return round_code<high>((Long)x * p.a_multiplier + (Long)y * p.b_multiplier, p.round);
}

// A sliding window over [height, width] pixels.
struct Window {
    int height, width, out_width;
    int kernel_h, kernel_w, stride_y, stride_x, top, left, dilation_y, dilation_x;
};
