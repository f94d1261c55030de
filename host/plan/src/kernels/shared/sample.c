// Sampling between elements, and windows that no convolution is.
#ifdef ONLY_taps
// Along the middle of [outer, source, inner]: each of `length` results is a weighted sum of `width` elements; `outside` where the first
// place is negative.
KERNEL(taps)(IN(T, x), IN(i32, places), IN(float, weights), OUT(T, y), int width, int source, int length, int inner, float outside, int total) {
    OPEN_IN(T, x); OPEN_IN(i32, places); OPEN_IN(float, weights); OPEN_OUT(T, y);
    ITEM(i, total);
    const int e = i % inner, o = i / inner % length, outer = i / inner / length;
    if (places[o * width] < 0) { y[i] = SAVE(outside); return; }
    float sum = 0.f;
    for (int t = 0; t < width; ++t) sum += weights[o * width + t] * (float)LOAD(x[((i64)outer * source + places[o * width + t]) * inner + e]);
    y[i] = SAVE(sum);
}
#endif
#ifdef ONLY_grid_sample
// MODE 0: nearest, 1: linear, 2: cubic. BEYOND 0: zeros, 1: border, 2: reflection. ALIGN: -1 and 1 are the centres of the corner elements.
#define TAPS (MODE == 0 ? 1 : MODE == 1 ? 2 : 4)
FUNCTION float NAMED(reflected)(float v, float n) {
    const float low = ALIGN ? 0.f : -0.5f, range = ALIGN ? n - 1.f : n;
    if (range <= 0.f || (v >= low && v <= low + range)) return v < low ? low : (v > low + range ? low + range : v);
    float around = v - low - floor((v - low) / (2.f * range)) * (2.f * range);
    around = around > range ? 2.f * range - around : around;
    return low + around;
}
FUNCTION float NAMED(clipped)(float v, float n) { return v < 0.f ? 0.f : (v > n - 1.f ? n - 1.f : v); }
// Cubic convolution with a = -0.75.
FUNCTION float NAMED(near)(float t) { return ((1.25f * t) - 2.25f) * t * t + 1.f; }
FUNCTION float NAMED(far)(float t) { return ((-0.75f * t + 3.75f) * t - 6.f) * t + 3.f; }
// The element at a whole place; -1 where it counts as zero.
FUNCTION int NAMED(element)(float v, float n) {
#if BEYOND == 0
    if (!(v >= 0.f && v <= n - 1.f)) return -1;
#elif BEYOND == 2
    v = NAMED(reflected)(v, n);
#endif
    return (int)NAMED(clipped)(v, n);
}
// x: [N, C, up to three spatial dimensions] with any steps, grid: [N, points, rank], y: [N, C, points]. One point of all channels an item.
KERNEL(grid_sample)(IN(T, x), IN(float, grid), OUT(T, y), Walk dims, int x_n, int x_c, int channels, int points, int total) {
    OPEN_IN(T, x); OPEN_IN(float, grid); OPEN_OUT(T, y);
    ITEM(i, total);
    const int n = i / points, point = i - n * points, rank = dims.rank;
    int at[3][TAPS];
    float weight[3][TAPS];
    for (int d = 0; d < 3; ++d)
        for (int t = 0; t < TAPS; ++t) { at[d][t] = 0; weight[d][t] = t == 0 ? 1.f : 0.f; }
    for (int d = 0; d < rank; ++d) {
        const float size = (float)dims.size[d], given = grid[(i64)i * rank + (rank - 1 - d)];
        float v = ALIGN ? (given + 1.f) * 0.5f * (size - 1.f) : ((given + 1.f) * size - 1.f) * 0.5f;
#if MODE == 0
        v = rint(v);
#endif
#if BEYOND == 1
        v = NAMED(clipped)(v, size);
#elif BEYOND == 2
        v = NAMED(reflected)(v, size);
#endif
        const float low = floor(v), t = v - low;
        int to = d + 3 - rank;
#if MODE == 0
        at[to][0] = NAMED(element)(v, size);
#elif MODE == 1
        at[to][0] = NAMED(element)(low, size); weight[to][0] = 1.f - t;
        at[to][1] = NAMED(element)(low + 1.f, size); weight[to][1] = t;
#else
        for (int k = 0; k < 4; ++k) at[to][k] = NAMED(element)(low + (float)(k - 1), size);
        weight[to][0] = NAMED(far)(t + 1.f); weight[to][1] = NAMED(near)(t);
        weight[to][2] = NAMED(near)(1.f - t); weight[to][3] = NAMED(far)(2.f - t);
#endif
        for (int k = 0; k < TAPS; ++k) at[to][k] = at[to][k] < 0 ? -1 : at[to][k] * dims.step[d];
    }
    for (int c = 0; c < channels; ++c) {
        GLOBAL const T* from = x + ((i64)n * x_n + (i64)c * x_c);
        float sum = 0.f;
        for (int a = 0; a < TAPS; ++a) for (int b = 0; b < TAPS; ++b) for (int e = 0; e < TAPS; ++e) {
            const float w = weight[0][a] * weight[1][b] * weight[2][e];
            if (w != 0.f && at[0][a] >= 0 && at[1][b] >= 0 && at[2][e] >= 0) sum += w * (float)LOAD(from[at[0][a] + at[1][b] + at[2][e]]);
        }
        y[((i64)n * channels + c) * points + point] = SAVE(sum);
    }
}
#undef TAPS
#endif
#ifdef ONLY_from_columns
// Sums of the columns of patches that reach an element. x: [N, channels * positions, blocks], y: [N, channels, image], `p.out` the image,
// `p.in` the blocks along each dimension.
KERNEL(from_columns)(IN(T, x), OUT(T, y), Window p) {
    OPEN_IN(T, x); OPEN_OUT(T, y);
    ITEM(item, p.total);
    int i = item;
    const int o2 = i % p.out[2]; i /= p.out[2];
    const int o1 = i % p.out[1]; i /= p.out[1];
    const int o0 = i % p.out[0]; const int line = i / p.out[0];
    const int taps = p.span[0] * p.span[1] * p.span[2], blocks = p.in[0] * p.in[1] * p.in[2];
    NUMBER sum = 0;
    for (int k0 = 0; k0 < p.span[0]; ++k0) {
        const int a = o0 + p.pad[0] - k0 * p.dilation[0];
        if (a < 0 || a % p.stride[0] || a / p.stride[0] >= p.in[0]) continue;
        for (int k1 = 0; k1 < p.span[1]; ++k1) {
            const int b = o1 + p.pad[1] - k1 * p.dilation[1];
            if (b < 0 || b % p.stride[1] || b / p.stride[1] >= p.in[1]) continue;
            for (int k2 = 0; k2 < p.span[2]; ++k2) {
                const int c = o2 + p.pad[2] - k2 * p.dilation[2];
                if (c < 0 || c % p.stride[2] || c / p.stride[2] >= p.in[2]) continue;
                const int tap = (k0 * p.span[1] + k1) * p.span[2] + k2;
                const int block = (a / p.stride[0] * p.in[1] + b / p.stride[1]) * p.in[2] + c / p.stride[2];
                sum += LOAD(x[((i64)line * taps + tap) * blocks + block]);
            }
        }
    }
    y[item] = SAVE(sum);
}
#endif
#ifdef ONLY_largest_places
// The place of each window's largest element in the input, row-major over [N, C, spatial], or with the last two spatial dimensions exchanged.
KERNEL(largest_places)(IN(T, x), OUT(i64, y), Window p, int exchanged) {
    OPEN_IN(T, x); OPEN_OUT(i64, y);
    ITEM(item, p.total);
    int i = item;
    const int o2 = i % p.out[2]; i /= p.out[2];
    const int o1 = i % p.out[1]; i /= p.out[1];
    const int o0 = i % p.out[0]; i /= p.out[0];
    const int m = i % p.out_channels, n = i / p.out_channels;
    NUMBER best = 0;
    i64 place = -1;
    for (int k0 = 0; k0 < p.span[0]; ++k0) for (int k1 = 0; k1 < p.span[1]; ++k1) for (int k2 = 0; k2 < p.span[2]; ++k2) {
        const int a = o0 * p.stride[0] - p.pad[0] + k0 * p.dilation[0], b = o1 * p.stride[1] - p.pad[1] + k1 * p.dilation[1],
            c = o2 * p.stride[2] - p.pad[2] + k2 * p.dilation[2];
        if ((u32)a >= (u32)p.in[0] || (u32)b >= (u32)p.in[1] || (u32)c >= (u32)p.in[2]) continue;
        const NUMBER v = LOAD(x[(i64)n * p.x_n + (i64)m * p.x_c + (i64)a * p.x_s[0] + (i64)b * p.x_s[1] + (i64)c * p.x_s[2]]);
        if (place >= 0 && !(v > best)) continue;
        best = v;
        const i64 line = (i64)n * p.in_channels + m;
        place = exchanged ? ((line * p.in[0] + a) * p.in[2] + c) * p.in[1] + b : ((line * p.in[0] + a) * p.in[1] + b) * p.in[2] + c;
    }
    y[item] = place;
}
#endif
#ifdef ONLY_put
// Elements to the places that `indices` names in the whole output.
KERNEL(put)(IN(T, x), IN(i64, indices), OUT(T, y), int count, int total) {
    OPEN_IN(T, x); OPEN_IN(i64, indices); OPEN_OUT(T, y);
    ITEM(i, total);
    y[wrap_index(indices[i], count)] = x[i];
}
#endif
