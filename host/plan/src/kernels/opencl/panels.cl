// Products of matrices. The right one comes in panels: [panel][depth][PANEL], so that a step of depth reads one piece of memory.
// A: what the left matrix is stored as, B: the right one, Y: the result and what is added to it. Sums are in float.
#define VECTOR JOIN(vector_, ACT)
#define SCALAR JOIN(activate_, ACT)
#ifdef CORES
// A work item computes `chunk` rows of one panel in tiles of ROWS rows, whose sums stay in registers.
static inline void JOIN(store_, ID)(const V low, const V high, __global const float* bias, __global const Y* residual,
        __global Y* y, const int left, const float scale, const float alpha, const float beta) {
    if (left >= PANEL) {
        V a = low * (V)scale, b = high * (V)scale;
        if (bias) { a += VLOAD(0, bias); b += VLOAD(1, bias); }
        if (residual) { a += JOIN(load_vector_, Y)(0, residual); b += JOIN(load_vector_, Y)(1, residual); }
        JOIN(store_vector_, Y)(VECTOR(a, alpha, beta), 0, y);
        JOIN(store_vector_, Y)(VECTOR(b, alpha, beta), 1, y);
        return;
    }
    float t[PANEL];
    VSTORE(low, 0, t);
    VSTORE(high, 1, t);
    for (int j = 0; j < left; ++j) {
        float v = t[j] * scale;
        if (bias) v += bias[j];
        if (residual) v += JOIN(up_, Y)(residual[j]);
        y[j] = JOIN(down_, Y)(SCALAR(v, alpha, beta));
    }
}
#define TILE_START() V low[ROWS], high[ROWS]; \
    _Pragma("unroll") for (int r = 0; r < ROWS; ++r) { low[r] = (V)0.f; high[r] = (V)0.f; }
#define TILE_STEP(from, k) { const V b0 = JOIN(load_vector_, B)(0, pb), b1 = JOIN(load_vector_, B)(1, pb); pb += PANEL; \
    _Pragma("unroll") for (int r = 0; r < ROWS; ++r) { \
        const V v = (V)(from[r][k]); low[r] = MULTIPLY_ADD(v, b0, low[r]); high[r] = MULTIPLY_ADD(v, b1, high[r]); } }
#if NARROW
// Narrow elements become floats a vector at a time.
#define TILE_RUN(from, count) { int k = 0; \
    for (; k + LANES <= count; k += LANES) { \
        float wide[ROWS][LANES]; \
        _Pragma("unroll") for (int r = 0; r < ROWS; ++r) VSTORE(JOIN(load_vector_, A)(0, from[r] + k), 0, wide[r]); \
        for (int j = 0; j < LANES; ++j) TILE_STEP(wide, j) } \
    for (; k < count; ++k) { \
        float wide[ROWS][1]; \
        _Pragma("unroll") for (int r = 0; r < ROWS; ++r) wide[r][0] = JOIN(up_, A)(from[r][k]); \
        TILE_STEP(wide, 0) } }
#else
#define TILE_RUN(from, count) for (int k = 0; k < count; ++k) TILE_STEP(from, k)
#endif
#if IMPLICIT
// A convolution of images with the channels last as a product whose rows are gathered while they are read. Panels: [group][panel][tap][channel].
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void ENTRY(conv)(IN(A, x), IN(B, w), IN(float, bias), IN(Y, residual),
        IN(A, zeros), OUT(Y, y), Window p, int pixels, int chunk, float alpha, float beta) {
    OPEN_IN(A, x); OPEN_IN(B, w); OPEN_IN(float, bias); OPEN_IN(Y, residual); OPEN_IN(A, zeros); OPEN_OUT(Y, y);
    const int panel = get_global_id(0), group = get_global_id(2), first = (int)get_global_id(1) * chunk, last = min(first + chunk, pixels);
    const int channels = p.in_channels / p.groups, columns = p.out_channels / p.groups, taps = p.span[1] * p.span[2];
    const int n0 = panel * PANEL, shift = group * columns + n0;
    __global const B* panels = w + ((size_t)group * get_global_size(0) + panel) * ((size_t)taps * channels * PANEL);
    for (int m0 = first; m0 < last; m0 += ROWS) {
        int image[ROWS], top[ROWS], side[ROWS];
        for (int r = 0; r < ROWS; ++r) {
            const int pixel = min(m0 + r, last - 1), row = pixel / p.out[2], o2 = pixel - row * p.out[2], n = row / p.out[1], o1 = row - n * p.out[1];
            image[r] = n * p.x_n + group * channels;
            top[r] = o1 * p.stride[1] - p.pad[1];
            side[r] = o2 * p.stride[2] - p.pad[2];
        }
        TILE_START();
        __global const B* pb = panels;
        for (int k1 = 0; k1 < p.span[1]; ++k1)
            for (int k2 = 0; k2 < p.span[2]; ++k2) {
                __global const A* from[ROWS];
                _Pragma("unroll") for (int r = 0; r < ROWS; ++r) {
                    const int b = top[r] + k1 * p.dilation[1], c = side[r] + k2 * p.dilation[2];
                    const int inside = (u32)b < (u32)p.in[1] && (u32)c < (u32)p.in[2];
                    from[r] = inside ? x + image[r] + b * p.x_s[1] + c * p.x_s[2] : zeros;
                }
                TILE_RUN(from, channels)
            }
        _Pragma("unroll") for (int r = 0; r < ROWS; ++r) if (m0 + r < last) {
            const size_t at = (size_t)(m0 + r) * p.out_channels + shift;
            JOIN(store_, ID)(low[r], high[r], bias ? bias + shift : bias, residual ? residual + at : residual, y + at, columns - n0, 1.f, alpha, beta);
        }
    }
}
#else
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void ENTRY(gemm)(IN(A, a), IN(B, b), IN(float, bias), IN(Y, residual),
        OUT(Y, y), Product p) {
    OPEN_IN(A, a); OPEN_IN(B, b); OPEN_IN(float, bias); OPEN_IN(Y, residual); OPEN_OUT(Y, y);
    const int panel = get_global_id(0), first = (int)get_global_id(1) * p.chunk, last = min(first + p.chunk, p.rows);
    const int outer = (int)get_global_id(2) / p.inner, inner = (int)get_global_id(2) - outer * p.inner, n0 = panel * PANEL;
    a += (i64)outer * p.a_outer + (i64)inner * p.a_inner;
    y += (i64)outer * p.c_outer + (i64)inner * p.c_inner + n0;
    if (bias) bias += n0;
    if (residual) residual += (i64)outer * p.r_outer + (i64)inner * p.r_inner + n0;
    __global const B* panels = b + (i64)outer * p.b_outer + (i64)inner * p.b_inner + (size_t)panel * p.depth * PANEL;
    for (int m0 = first; m0 < last; m0 += ROWS) {
        __global const A* from[ROWS];
        _Pragma("unroll") for (int r = 0; r < ROWS; ++r) from[r] = a + (i64)min(m0 + r, last - 1) * p.a_pitch;
        TILE_START();
        __global const B* pb = panels;
        TILE_RUN(from, p.depth)
        _Pragma("unroll") for (int r = 0; r < ROWS; ++r) if (m0 + r < last)
            JOIN(store_, ID)(low[r], high[r], bias, residual ? residual + (i64)(m0 + r) * p.r_pitch : residual, y + (i64)(m0 + r) * p.c_pitch,
                p.columns - n0, p.scale, p.alpha, p.beta);
    }
}
#endif
#undef TILE_START
#undef TILE_STEP
#undef TILE_RUN
#else
// A group of 256 items computes 64 rows of one panel of 64 columns; each item a square of 4.
#define DEPTH 16
__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void ENTRY(gemm)(IN(A, a), IN(B, b), IN(float, bias), IN(Y, residual),
        OUT(Y, y), Product p) {
    OPEN_IN(A, a); OPEN_IN(B, b); OPEN_IN(float, bias); OPEN_IN(Y, residual); OPEN_OUT(Y, y);
    __local float ta[DEPTH][PANEL + 1], tb[DEPTH][PANEL];
    const int panel = get_group_id(0), m0 = (int)get_group_id(1) * 64, item = get_local_id(0), mine = (item >> 4) * 4, column = (item & 15) * 4;
    const int outer = (int)get_group_id(2) / p.inner, inner = (int)get_group_id(2) - outer * p.inner, n0 = panel * PANEL;
    a += (i64)outer * p.a_outer + (i64)inner * p.a_inner;
    b += (i64)outer * p.b_outer + (i64)inner * p.b_inner + (i64)panel * p.depth * PANEL;
    float4 sum[4];
    for (int r = 0; r < 4; ++r) sum[r] = (float4)0.f;
    for (int k0 = 0; k0 < p.depth; k0 += DEPTH) {
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int i = item; i < DEPTH * 64; i += 256) {
            const int k = i & (DEPTH - 1), r = i / DEPTH;
            ta[k][r] = k0 + k < p.depth && m0 + r < p.rows ? JOIN(up_, A)(a[(i64)(m0 + r) * p.a_pitch + k0 + k]) : 0.f;
            const int kb = i / PANEL, n = i - kb * PANEL;
            tb[kb][n] = k0 + kb < p.depth ? JOIN(up_, B)(b[(i64)(k0 + kb) * PANEL + n]) : 0.f;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int k = 0; k < DEPTH; ++k) {
            const float4 right = vload4(0, &tb[k][column]);
            for (int r = 0; r < 4; ++r) sum[r] = MULTIPLY_ADD((float4)ta[k][mine + r], right, sum[r]);
        }
    }
    for (int r = 0; r < 4; ++r) {
        const int row = m0 + mine + r;
        float t[4];
        vstore4(sum[r], 0, t);
        for (int e = 0; e < 4; ++e) {
            const int n = n0 + column + e;
            if (row >= p.rows || n >= p.columns) continue;
            float v = t[e] * p.scale;
            if (bias) v += bias[n];
            if (residual) v += JOIN(up_, Y)(residual[(i64)outer * p.r_outer + (i64)inner * p.r_inner + (i64)row * p.r_pitch + n]);
            y[(i64)outer * p.c_outer + (i64)inner * p.c_inner + (i64)row * p.c_pitch + n] = JOIN(down_, Y)(SCALAR(v, p.alpha, p.beta));
        }
    }
}
#undef DEPTH
#endif
#undef VECTOR
#undef SCALAR
