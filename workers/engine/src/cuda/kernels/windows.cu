// Windowed ops on separate channels: depthwise convolution, average and maximum pool. A thread computes `run` adjacent channels.

struct Depthwise {
    const Code *in;
    Code *out;
    // [tap][channel]; bias and multipliers are per channel.
    const signed char *weights;
    const Word *bias;
    const int *multipliers;
    Size in_unit, out_unit;
    // Elements of the output per unit.
    int elements, channels, pad;
    Window window;
    Round round;
};

template <int run> DEVICE void depthwise(const Depthwise &p) {
    const Window &w = p.window;
    int index = (blockIdx.x * 256 + threadIdx.x) * run;
    if (index >= p.elements) return;
    int pixel = index / p.channels, channel = index - pixel * p.channels;
    int out_y = pixel / w.out_width, out_x = pixel - out_y * w.out_width;
    int y = out_y * w.stride_y - w.top, x = out_x * w.stride_x - w.left;
    const Code *in = p.in + blockIdx.y * p.in_unit + channel;
    const signed char *weights = p.weights + channel;
    int sums[run] = {};
    for (int i = 0; i < w.kernel_h; ++i) {
        for (int j = 0; j < w.kernel_w; ++j, weights += p.channels) {
            int row = y + i * w.dilation_y, column = x + j * w.dilation_x;
            bool inside = (unsigned)row < (unsigned)w.height && (unsigned)column < (unsigned)w.width;
            Codes<run> codes;
            if (inside)
                codes = *(const Codes<run> *)(in + ((Size)row * w.width + column) * p.channels);
            else
                for (int c = 0; c < run; ++c) codes.at[c] = (Code)p.pad;
            for (int c = 0; c < run; ++c) sums[c] += codes.at[c] * weights[c];
        }
    }
    Codes<run> result;
    for (int c = 0; c < run; ++c)
        result.at[c] = requantise((int)((Word)sums[c] + p.bias[channel + c]), p.multipliers[channel + c], p.round);
    *(Codes<run> *)(p.out + blockIdx.y * p.out_unit + index) = result;
}

KERNEL(depthwise_4, Depthwise, 256) { depthwise<4>(p); }
KERNEL(depthwise_1, Depthwise, 256) { depthwise<1>(p); }

struct MaxPool {
    const Code *in;
    Code *out;
    Size in_unit, out_unit;
    // Output elements per unit, and channels of a pixel, in words or bytes.
    int elements, channels;
    Window window;
};

// Codes are ordered like the values, so the largest code is the largest value. Each window has at least one element inside the input.
template <typename T> DEVICE void max_pool(const MaxPool &p) {
    const Window &w = p.window;
    int index = blockIdx.x * 256 + threadIdx.x;
    if (index >= p.elements) return;
    int pixel = index / p.channels, channel = index - pixel * p.channels;
    int out_y = pixel / w.out_width, out_x = pixel - out_y * w.out_width;
    int y = out_y * w.stride_y - w.top, x = out_x * w.stride_x - w.left;
    const T *in = (const T *)(p.in + blockIdx.y * p.in_unit) + channel;
    Word largest = 0;
    for (int row = y; row < y + w.kernel_h; ++row)
        for (int column = x; column < x + w.kernel_w; ++column)
            if ((unsigned)row < (unsigned)w.height && (unsigned)column < (unsigned)w.width)
                largest = max_u8x4(largest, in[((Size)row * w.width + column) * p.channels]);
    ((T *)(p.out + blockIdx.y * p.out_unit))[index] = (T)largest;
}

KERNEL(max_pool_4, MaxPool, 256) { max_pool<Word>(p); }
KERNEL(max_pool_1, MaxPool, 256) { max_pool<Code>(p); }
