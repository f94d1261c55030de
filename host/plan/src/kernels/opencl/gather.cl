// Kernels that read at computed places, one element a work item. T: element, I: the type of indices.
#define W JOIN(wide_, T)
#define UP JOIN(up_, T)
#define DOWN JOIN(down_, T)
static inline i64 JOIN(wrapped_, ID)(i64 i, i64 size) { i = i < 0 ? i + size : i; return i < 0 ? 0 : (i >= size ? size - 1 : i); }
#define wrapped JOIN(wrapped_, ID)

#ifdef ONLY_gather
// data: [outer, size, inner], indices: [count] -> [outer, count, inner].
__kernel void ENTRY(gather)(IN(T, data), IN(I, indices), OUT(T, y), int size, int inner, int count, int total) {
    OPEN_IN(T, data); OPEN_IN(I, indices); OPEN_OUT(T, y);
    const int i = get_global_id(0);
    if (i >= total) return;
    const int rest = i / inner, k = rest % count, outer = rest / count;
    y[i] = data[((i64)outer * size + wrapped(indices[k], size)) * inner + (i - rest * inner)];
}
#endif
#ifdef ONLY_gather_elements
// The index replaces the coordinate of one dimension: `at` walks the output's coordinates over data without that dimension.
__kernel void ENTRY(gather_elements)(IN(T, data), IN(I, indices), OUT(T, y), Walk at, int size, int step, int total) {
    OPEN_IN(T, data); OPEN_IN(I, indices); OPEN_OUT(T, y);
    const int i = get_global_id(0);
    if (i >= total) return;
    y[i] = data[offset_of(&at, i) + wrapped(indices[i], size) * step];
}
#endif
#ifdef ONLY_gather_nd
// indices: [batches, per batch, depth], data: [batches, size 0, ..., inner].
__kernel void ENTRY(gather_nd)(IN(T, data), IN(I, indices), OUT(T, y), Walk dims, int per_batch, int batch_step, int inner, int total) {
    OPEN_IN(T, data); OPEN_IN(I, indices); OPEN_OUT(T, y);
    const int i = get_global_id(0);
    if (i >= total) return;
    const int tuple = i / inner;
    i64 at = (i64)(tuple / per_batch) * batch_step;
    for (int d = 0; d < dims.rank; ++d) at += wrapped(indices[(i64)tuple * dims.rank + d], dims.size[d]) * dims.step[d];
    y[i] = data[at + (i - tuple * inner)];
}
#endif
#ifdef ONLY_one_hot
// indices -> [outer, depth, inner]; values: off, on.
__kernel void ENTRY(one_hot)(IN(I, indices), IN(T, values), OUT(T, y), int depth, int inner, int total) {
    OPEN_IN(I, indices); OPEN_IN(T, values); OPEN_OUT(T, y);
    const int i = get_global_id(0);
    if (i >= total) return;
    const int rest = i / inner, d = rest % depth, outer = rest / depth;
    i64 at = (i64)indices[(i64)outer * inner + (i - rest * inner)];
    at = at < 0 ? at + depth : at;
    y[i] = values[at == d];
}
#endif
#ifdef ONLY_pad
// MODE 0: constant, 1: edge, 2: reflect, 3: wrap. `in`: the input's sizes and steps, `out`: the output's sizes, and pads in `step`.
__kernel void ENTRY(pad)(IN(T, x), IN(T, value), OUT(T, y), Walk in, Walk out, int mode, int total) {
    OPEN_IN(T, x); OPEN_IN(T, value); OPEN_OUT(T, y);
    const int i = get_global_id(0);
    if (i >= total) return;
    int rest = i, at = 0;
    int outside = 0;
    for (int d = out.rank - 1; d >= 0; --d) {
        const int q = rest / out.size[d], n = in.size[d];
        int c = rest - q * out.size[d] - out.step[d];
        rest = q;
        if (mode == 1) c = c < 0 ? 0 : (c >= n ? n - 1 : c);
        else if (mode == 2) { if (n > 1) { const int p = 2 * (n - 1); c = ((c % p) + p) % p; c = c < n ? c : p - c; } else c = 0; }
        else if (mode == 3) c = ((c % n) + n) % n;
        outside |= (u32)c >= (u32)n;
        at += c * in.step[d];
    }
    y[i] = outside ? (value ? value[0] : DOWN(0)) : x[at];
}
#endif
#ifdef ONLY_tile
// Repeats of the input along each dimension.
__kernel void ENTRY(tile)(IN(T, x), OUT(T, y), Walk in, Walk out, int total) {
    OPEN_IN(T, x); OPEN_OUT(T, y);
    const int i = get_global_id(0);
    if (i >= total) return;
    int rest = i, at = 0;
    for (int d = out.rank - 1; d >= 0; --d) {
        const int q = rest / out.size[d];
        at += ((rest - q * out.size[d]) % in.size[d]) * in.step[d];
        rest = q;
    }
    y[i] = x[at];
}
#endif
#ifdef ONLY_triangle
// Keeps the triangle above (upper) or below the k-th diagonal of [batches, rows, columns].
__kernel void ENTRY(triangle)(IN(T, x), OUT(T, y), int rows, int columns, int k, int upper, int total) {
    OPEN_IN(T, x); OPEN_OUT(T, y);
    const int i = get_global_id(0);
    if (i >= total) return;
    const int c = i % columns, r = i / columns % rows;
    y[i] = (upper ? c - r >= k : c - r <= k) ? x[i] : DOWN(0);
}
#endif
#ifdef ONLY_resize
static float JOIN(source_, ID)(const __private Scale* p, int d, int o) {
    const float s = p->scale[d];
    const int n = p->size[d], m = p->out[d];
    if (p->coordinates == 1) return o / s;
    if (p->coordinates == 2) { const float whole = s * n; return m == 1 || whole == 1.f ? 0.f : o * (n - 1) / (whole - 1.f); }
    if (p->coordinates == 3) return m > 1 ? (o + 0.5f) / s - 0.5f : 0.f;
    if (p->coordinates == 4) return m > 1 ? p->start[d] * (n - 1) + o * (p->end[d] - p->start[d]) * (n - 1) / (m - 1) : 0.5f * (p->start[d] + p->end[d]) * (n - 1);
    if (p->coordinates == 5) { const float whole = s * n, offset = n * 0.5f * (1.f - m / whole); return offset + (o + 0.5f) / s - 0.5f; }
    return (o + 0.5f) / s - 0.5f;
}
__kernel void ENTRY(resize)(IN(T, x), OUT(T, y), Scale p, int total) {
    OPEN_IN(T, x); OPEN_OUT(T, y);
    const int i = get_global_id(0);
    if (i >= total) return;
    int rest = i, low[MAX_RANK], high[MAX_RANK];
    float weight[MAX_RANK];
    int outside = 0;
#pragma unroll
    for (int d = MAX_RANK - 1; d >= 0; --d) {
        if (d >= p.rank) continue;
        const int q = rest / p.out[d], o = rest - q * p.out[d], n = p.size[d];
        rest = q;
        if (p.scale[d] == 1.f && n == p.out[d] && p.coordinates != 4) { low[d] = high[d] = o * p.step[d]; weight[d] = 0.f; continue; }
        float s = JOIN(source_, ID)(&p, d, o);
        if (p.extrapolates) outside |= s < 0.f || s > n - 1;
        if (p.linear) {
            s = bounded_float(s, 0.f, (float)(n - 1));
            const int f = min((int)floor(s), n - 1);
            low[d] = f * p.step[d]; high[d] = min(f + 1, n - 1) * p.step[d]; weight[d] = s - f;
        } else {
            float r = p.nearest == 0 ? ceil(s - 0.5f) : p.nearest == 1 ? floor(s + 0.5f) : p.nearest == 2 ? floor(s) : ceil(s);
            const int c = min(max((int)r, 0), n - 1);
            low[d] = high[d] = c * p.step[d]; weight[d] = 0.f;
        }
    }
    if (outside) { y[i] = DOWN(p.extrapolated); return; }
    if (!p.linear) {
        int at = 0;
        for (int d = 0; d < p.rank; ++d) at += low[d];
        y[i] = x[at];
        return;
    }
    float sum = 0.f;
    for (int corner = 0; corner < (1 << p.rank); ++corner) {
        float w = 1.f;
        int at = 0;
        for (int d = 0; d < p.rank; ++d) {
            const int upper = corner >> d & 1;
            w *= upper ? weight[d] : 1.f - weight[d];
            at += upper ? high[d] : low[d];
        }
        if (w != 0.f) sum += w * (float)UP(x[at]);
    }
    y[i] = DOWN(sum);
}
#endif
#ifdef ONLY_multiply
// A matrix product for element types that the library has none for. Offsets of the batch are walked for each operand.
__kernel void ENTRY(multiply)(IN(T, a), IN(T, b), OUT(T, y), Walk at_a, Walk at_b, int m, int n, int k, int a_row, int a_column, int b_row, int b_column, int total) {
    OPEN_IN(T, a); OPEN_IN(T, b); OPEN_OUT(T, y);
    const int i = get_global_id(0);
    if (i >= total) return;
    const int c = i % n, r = i / n % m, batch = i / n / m;
    a += offset_of(&at_a, batch) + (i64)r * a_row;
    b += offset_of(&at_b, batch) + (i64)c * b_column;
    W sum = 0;
    for (int q = 0; q < k; ++q) sum += UP(a[(i64)q * a_column]) * UP(b[(i64)q * b_row]);
    y[i] = DOWN(sum);
}
#endif
#undef wrapped
#undef W
#undef UP
#undef DOWN
