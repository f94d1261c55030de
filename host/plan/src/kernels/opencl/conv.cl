// Convolutions that are no matrix products, and pooling. Any strides, so any layout.
#define W JOIN(wide_, T)
#define UP JOIN(up_, T)
#define DOWN JOIN(down_, T)
// A vector of elements as floats.
#define READ(p) JOIN(load_vector_, T)(0, p)
#define STORE(v, p) JOIN(store_vector_, T)(v, 0, p)
#ifdef ONLY_conv_direct
// One output element a thread, channels fastest. Weights: [out channel][in channel of the group][kernel].
__kernel void ENTRY(conv_direct)(IN(T, x), IN(T, w), IN(float, bias), IN(T, residual), OUT(T, y), Window p, float alpha, float beta) {
    OPEN_IN(T, x); OPEN_IN(T, w); OPEN_IN(float, bias); OPEN_IN(T, residual); OPEN_OUT(T, y);
    int i = get_global_id(0);
    if (i >= p.total) return;
    const int m = i % p.out_channels; i /= p.out_channels;
    const int o2 = i % p.out[2]; i /= p.out[2];
    const int o1 = i % p.out[1]; i /= p.out[1];
    const int o0 = i % p.out[0]; const int n = i / p.out[0];
    const int per_group = p.in_channels / p.groups, group = m / (p.out_channels / p.groups);
    const int taps = p.span[0] * p.span[1] * p.span[2];
    W sum = 0;
    for (int k0 = 0; k0 < p.span[0]; ++k0) {
        const int a = o0 * p.stride[0] - p.pad[0] + k0 * p.dilation[0];
        if ((u32)a >= (u32)p.in[0]) continue;
        for (int k1 = 0; k1 < p.span[1]; ++k1) {
            const int b = o1 * p.stride[1] - p.pad[1] + k1 * p.dilation[1];
            if ((u32)b >= (u32)p.in[1]) continue;
            for (int k2 = 0; k2 < p.span[2]; ++k2) {
                const int c = o2 * p.stride[2] - p.pad[2] + k2 * p.dilation[2];
                if ((u32)c >= (u32)p.in[2]) continue;
                __global const T* px = x + (i64)n * p.x_n + (i64)group * per_group * p.x_c + (i64)a * p.x_s[0] + (i64)b * p.x_s[1] + (i64)c * p.x_s[2];
                __global const T* pw = w + (i64)m * per_group * taps + (k0 * p.span[1] + k1) * p.span[2] + k2;
                for (int q = 0; q < per_group; ++q) sum += UP(px[(i64)q * p.x_c]) * UP(pw[q * taps]);
            }
        }
    }
    if (bias) sum += bias[m];
    const i64 at = (i64)n * p.y_n + (i64)m * p.y_c + (i64)o0 * p.y_s[0] + (i64)o1 * p.y_s[1] + (i64)o2 * p.y_s[2];
    if (residual) sum += UP(residual[at]);
    y[at] = ACT ? DOWN(JOIN(activate_, ACT)((float)sum, alpha, beta)) : DOWN(sum);
}
#endif
#ifdef ONLY_conv_transposed
// The transpose of a convolution: each output element sums the inputs that reach it. Weights: [in channel][out channel of the group][kernel].
__kernel void ENTRY(conv_transposed)(IN(T, x), IN(T, w), IN(float, bias), OUT(T, y), Window p) {
    OPEN_IN(T, x); OPEN_IN(T, w); OPEN_IN(float, bias); OPEN_OUT(T, y);
    int i = get_global_id(0);
    if (i >= p.total) return;
    const int m = i % p.out_channels; i /= p.out_channels;
    const int o2 = i % p.out[2]; i /= p.out[2];
    const int o1 = i % p.out[1]; i /= p.out[1];
    const int o0 = i % p.out[0]; const int n = i / p.out[0];
    const int per_in = p.in_channels / p.groups, per_out = p.out_channels / p.groups, group = m / per_out;
    const int taps = p.span[0] * p.span[1] * p.span[2];
    float sum = bias ? bias[m] : 0.f;
    for (int k0 = 0; k0 < p.span[0]; ++k0) {
        const int a = o0 + p.pad[0] - k0 * p.dilation[0];
        if (a < 0 || a % p.stride[0] || a / p.stride[0] >= p.in[0]) continue;
        for (int k1 = 0; k1 < p.span[1]; ++k1) {
            const int b = o1 + p.pad[1] - k1 * p.dilation[1];
            if (b < 0 || b % p.stride[1] || b / p.stride[1] >= p.in[1]) continue;
            for (int k2 = 0; k2 < p.span[2]; ++k2) {
                const int c = o2 + p.pad[2] - k2 * p.dilation[2];
                if (c < 0 || c % p.stride[2] || c / p.stride[2] >= p.in[2]) continue;
                __global const T* px = x + (i64)n * p.x_n + (i64)group * per_in * p.x_c + (i64)(a / p.stride[0]) * p.x_s[0]
                    + (i64)(b / p.stride[1]) * p.x_s[1] + (i64)(c / p.stride[2]) * p.x_s[2];
                __global const T* pw = w + ((i64)group * per_in * per_out + (m - group * per_out)) * taps + (k0 * p.span[1] + k1) * p.span[2] + k2;
                for (int q = 0; q < per_in; ++q) sum += UP(px[(i64)q * p.x_c]) * UP(pw[(i64)q * per_out * taps]);
            }
        }
    }
    y[(i64)n * p.y_n + (i64)m * p.y_c + (i64)o0 * p.y_s[0] + (i64)o1 * p.y_s[1] + (i64)o2 * p.y_s[2]] = DOWN(sum);
}
#endif
#ifdef ONLY_pool
// MODE 0: maximum, 1: average over the elements inside, 2: average over the window including padding.
__kernel void ENTRY(pool)(IN(T, x), OUT(T, y), Window p, int mode, int padded0, int padded1, int padded2) {
    OPEN_IN(T, x); OPEN_OUT(T, y);
    int i = get_global_id(0);
    if (i >= p.total) return;
    const int m = i % p.out_channels; i /= p.out_channels;
    const int o2 = i % p.out[2]; i /= p.out[2];
    const int o1 = i % p.out[1]; i /= p.out[1];
    const int o0 = i % p.out[0]; const int n = i / p.out[0];
    const int limit[3] = {p.in[0] + padded0, p.in[1] + padded1, p.in[2] + padded2};
    W best = 0, sum = 0;
    int inside = 0, reached = 0;
    for (int k0 = 0; k0 < p.span[0]; ++k0) for (int k1 = 0; k1 < p.span[1]; ++k1) for (int k2 = 0; k2 < p.span[2]; ++k2) {
        const int a = o0 * p.stride[0] - p.pad[0] + k0 * p.dilation[0], b = o1 * p.stride[1] - p.pad[1] + k1 * p.dilation[1],
            c = o2 * p.stride[2] - p.pad[2] + k2 * p.dilation[2];
        reached += a < limit[0] && b < limit[1] && c < limit[2];
        if ((u32)a >= (u32)p.in[0] || (u32)b >= (u32)p.in[1] || (u32)c >= (u32)p.in[2]) continue;
        const W v = UP(x[(i64)n * p.x_n + (i64)m * p.x_c + (i64)a * p.x_s[0] + (i64)b * p.x_s[1] + (i64)c * p.x_s[2]]);
        best = inside ? JOIN(most_, W)(best, v) : v;
        sum += v;
        ++inside;
    }
    const int divisor = mode == 2 ? reached : inside;
    const W v = mode == 0 ? best : (divisor ? (W)(sum / (W)divisor) : (W)0);
    y[(i64)n * p.y_n + (i64)m * p.y_c + (i64)o0 * p.y_s[0] + (i64)o1 * p.y_s[1] + (i64)o2 * p.y_s[2]] = DOWN(v);
}
#endif
#ifdef ONLY_conv_depthwise
// Each channel on its own, channels last, one output pixel a work item. Weights: [kernel position][channel].
__kernel void ENTRY(conv_depthwise)(IN(T, x), IN(T, w), IN(float, bias), IN(T, residual), OUT(T, y), Window p,
        float alpha, float beta) {
    OPEN_IN(T, x); OPEN_IN(T, w); OPEN_IN(float, bias); OPEN_IN(T, residual); OPEN_OUT(T, y);
    const int i = get_global_id(0);
    if (i >= p.total) return;
    const int row = i / p.out[2], o2 = i - row * p.out[2], n = row / p.out[1], o1 = row - n * p.out[1], channels = p.out_channels;
    const int top = o1 * p.stride[1] - p.pad[1], side = o2 * p.stride[2] - p.pad[2];
    x += (i64)n * p.x_n;
    y += (i64)i * channels;
    if (residual) residual += (i64)i * channels;
    int m = 0;
    for (; m + LANES <= channels; m += LANES) {
        V sum = bias ? VLOAD(0, bias + m) : (V)0.f;
        for (int k1 = 0; k1 < p.span[1]; ++k1) {
            const int b = top + k1 * p.dilation[1];
            if ((u32)b >= (u32)p.in[1]) continue;
            for (int k2 = 0; k2 < p.span[2]; ++k2) {
                const int c = side + k2 * p.dilation[2];
                if ((u32)c >= (u32)p.in[2]) continue;
                sum = MULTIPLY_ADD(READ(x + b * p.x_s[1] + c * p.x_s[2] + m), READ(w + (k1 * p.span[2] + k2) * channels + m), sum);
            }
        }
        if (residual) sum += READ(residual + m);
        STORE(JOIN(vector_, ACT)(sum, alpha, beta), y + m);
    }
    for (; m < channels; ++m) {
        float sum = bias ? bias[m] : 0.f;
        for (int k1 = 0; k1 < p.span[1]; ++k1) {
            const int b = top + k1 * p.dilation[1];
            if ((u32)b >= (u32)p.in[1]) continue;
            for (int k2 = 0; k2 < p.span[2]; ++k2) {
                const int c = side + k2 * p.dilation[2];
                if ((u32)c >= (u32)p.in[2]) continue;
                sum += UP(x[b * p.x_s[1] + c * p.x_s[2] + m]) * UP(w[(k1 * p.span[2] + k2) * channels + m]);
            }
        }
        if (residual) sum += UP(residual[m]);
        y[m] = DOWN(JOIN(activate_, ACT)(sum, alpha, beta));
    }
}
#endif
#ifdef ONLY_gather_patches
// The input gathered for a matrix product: [pixel][kernel position][channel], channels-last input, one kernel position a work item.
__kernel void ENTRY(gather_patches)(IN(T, x), OUT(T, y), Window p) {
    OPEN_IN(T, x); OPEN_OUT(T, y);
    const int i = get_global_id(0);
    if (i >= p.total) return;
    const int taps = p.span[1] * p.span[2], channels = p.in_channels, pixel = i / taps, tap = i - pixel * taps;
    const int row = pixel / p.out[2], o2 = pixel - row * p.out[2], n = row / p.out[1], o1 = row - n * p.out[1];
    const int k1 = tap / p.span[2], k2 = tap - k1 * p.span[2];
    const int b = o1 * p.stride[1] - p.pad[1] + k1 * p.dilation[1], c = o2 * p.stride[2] - p.pad[2] + k2 * p.dilation[2];
    const int inside = (u32)b < (u32)p.in[1] && (u32)c < (u32)p.in[2];
    x += (i64)n * p.x_n + (i64)b * p.x_s[1] + (i64)c * p.x_s[2];
    y += (i64)i * channels;
    for (int q = 0; q < channels; ++q) y[q] = inside ? x[q] : 0;
}
#endif
#ifdef ONLY_pool_channels
// Pooling of images with the channels last, one output pixel a work item.
__kernel void ENTRY(pool_channels)(IN(T, x), OUT(T, y), Window p, int mode, int padded0, int padded1, int padded2) {
    OPEN_IN(T, x); OPEN_OUT(T, y);
    const int i = get_global_id(0), channels = p.out_channels;
    if (i >= p.total) return;
    const int row = i / p.out[2], o2 = i - row * p.out[2], n = row / p.out[1], o1 = row - n * p.out[1];
    const int top = o1 * p.stride[1] - p.pad[1], side = o2 * p.stride[2] - p.pad[2];
    x += (i64)n * p.x_n;
    y += (i64)i * channels;
    int inside = 0, reached = 0;
    for (int k1 = 0; k1 < p.span[1]; ++k1)
        for (int k2 = 0; k2 < p.span[2]; ++k2) {
            const int b = top + k1 * p.dilation[1], c = side + k2 * p.dilation[2];
            reached += b < p.in[1] + padded1 && c < p.in[2] + padded2;
            if ((u32)b >= (u32)p.in[1] || (u32)c >= (u32)p.in[2]) continue;
            __global const T* from = x + b * p.x_s[1] + c * p.x_s[2];
            int m = 0;
            for (; m + LANES <= channels; m += LANES) {
                const V v = READ(from + m);
                V sofar = v;
                if (inside) {
                    sofar = READ(y + m);
                    sofar = mode ? sofar + v : (v != v || v > sofar ? v : sofar);
                }
                STORE(sofar, y + m);
            }
            for (; m < channels; ++m) y[m] = !inside ? from[m] : DOWN(mode ? UP(y[m]) + UP(from[m]) : most_float(UP(from[m]), UP(y[m])));
            ++inside;
        }
    const int divisor = mode == 2 ? reached : inside;
    if (mode || !inside)
        for (int m = 0; m < channels; ++m) y[m] = DOWN(inside && divisor ? UP(y[m]) / (float)divisor : 0.f);
}
#endif
#undef READ
#undef STORE
#undef W
#undef UP
#undef DOWN
