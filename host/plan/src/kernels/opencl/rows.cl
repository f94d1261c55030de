// Kernels over the rows of a dense matrix: one work item a row on cores, one group a row elsewhere.
#define W JOIN(wide_, T)
#define UP JOIN(up_, T)
#define DOWN JOIN(down_, T)
#define READ(p) JOIN(load_vector_, T)(0, p)
#define STORE(v, p) JOIN(store_vector_, T)(v, 0, p)
#ifdef ONLY_softmax
__kernel void ENTRY(softmax)(IN(T, x), OUT(T, y), int rows, int columns, int logarithm) {
    OPEN_IN(T, x); OPEN_OUT(T, y);
    ROW();
    x += (i64)row * columns; y += (i64)row * columns;
#if FAST
    V tops = (V)-INFINITY_F, sums = (V)0.f;
    int c = 0;
    for (; c + LANES <= columns; c += LANES) tops = fmax(tops, READ(x + c));
    float top = most_of(tops), sum = 0.f;
    for (; c < columns; ++c) top = fmax(top, UP(x[c]));
    for (c = 0; c + LANES <= columns; c += LANES) {
        const V d = READ(x + c) - (V)top, e = exp(d);
        sums += e;
        STORE(logarithm ? d : e, y + c);
    }
    for (; c < columns; ++c) { const float d = UP(x[c]) - top, e = exp(d); sum += e; y[c] = DOWN(logarithm ? d : e); }
    sum += sum_of(sums);
    const float scale = 1.f / sum, lower = log(sum);
    for (c = 0; c + LANES <= columns; c += LANES) {
        const V v = READ(y + c);
        STORE(logarithm ? v - (V)lower : v * (V)scale, y + c);
    }
    for (; c < columns; ++c) y[c] = DOWN(logarithm ? UP(y[c]) - lower : UP(y[c]) * scale);
#else
    float top = -INFINITY_F, sum = 0.f;
    for (int c = lane; c < columns; c += WIDTH) top = fmax(top, UP(x[c]));
    top = MOST(top);
    for (int c = lane; c < columns; c += WIDTH) sum += exp(UP(x[c]) - top);
    sum = SUM(sum);
    const float scale = 1.f / sum, lower = log(sum);
    for (int c = lane; c < columns; c += WIDTH) {
        const float v = UP(x[c]) - top;
        y[c] = DOWN(logarithm ? v - lower : exp(v) * scale);
    }
#endif
}
#elif defined(ONLY_normalise)
// y = (x + added - mean) / sqrt(variance + epsilon) * scale + bias. Scale and bias repeat every `period` columns of `block` elements each;
// `shift` is the first of them for a row (group and instance normalisation: rows differ in theirs).
__kernel void ENTRY(normalise)(IN(T, x), IN(T, added), IN(float, scale), IN(float, bias), OUT(T, y), OUT(T, sums), int rows, int columns,
        int block, int per_row, int period, float epsilon, int centre) {
    OPEN_IN(T, x); OPEN_IN(T, added); OPEN_IN(float, scale); OPEN_IN(float, bias); OPEN_OUT(T, y); OPEN_OUT(T, sums);
    ROW();
    const i64 at = (i64)row * columns;
    const int shift = (row * per_row) % period;
    x += at; y += at;
    if (added) added += at;
    if (sums) sums += at;
#if FAST
    // The sum goes to `y` first; rows are short enough to stay near.
    V totals = (V)0.f;
    float mean = 0.f, variance = 0.f;
    int c = 0;
    for (; c + LANES <= columns; c += LANES) {
        V v = READ(x + c);
        if (added) v += READ(added + c);
        if (sums) STORE(v, sums + c);
        STORE(v, y + c);
        totals += v;
    }
    for (; c < columns; ++c) {
        const float v = UP(x[c]) + (added ? UP(added[c]) : 0.f);
        if (sums) sums[c] = DOWN(v);
        y[c] = DOWN(v);
        mean += v;
    }
    mean = centre ? (mean + sum_of(totals)) / columns : 0.f;
    totals = (V)0.f;
    for (c = 0; c + LANES <= columns; c += LANES) { const V d = READ(y + c) - (V)mean; totals += d * d; }
    for (; c < columns; ++c) { const float d = UP(y[c]) - mean; variance += d * d; }
    const float inverse = 1.f / sqrt((variance + sum_of(totals)) / columns + epsilon);
    c = 0;
    if (block == 1)
        for (; c + LANES <= columns; c += LANES) {
            V v = (READ(y + c) - (V)mean) * (V)inverse;
            if (scale) v *= VLOAD(0, scale + shift + c);
            if (bias) v += VLOAD(0, bias + shift + c);
            STORE(v, y + c);
        }
    for (; c < columns; ++c) {
        const int s = shift + c / block;
        y[c] = DOWN((UP(y[c]) - mean) * inverse * (scale ? scale[s] : 1.f) + (bias ? bias[s] : 0.f));
    }
#else
    float mean = 0.f, variance = 0.f;
    if (centre) {
        for (int c = lane; c < columns; c += WIDTH) mean += UP(x[c]) + (added ? UP(added[c]) : 0.f);
        mean = SUM(mean) / columns;
    }
    for (int c = lane; c < columns; c += WIDTH) {
        const float d = UP(x[c]) + (added ? UP(added[c]) : 0.f) - mean;
        variance += d * d;
    }
    const float inverse = 1.f / sqrt(SUM(variance) / columns + epsilon);
    for (int c = lane; c < columns; c += WIDTH) {
        const float v = UP(x[c]) + (added ? UP(added[c]) : 0.f);
        const int s = shift + c / block;
        if (sums) sums[c] = DOWN(v);
        y[c] = DOWN((v - mean) * inverse * (scale ? scale[s] : 1.f) + (bias ? bias[s] : 0.f));
    }
#endif
}
#elif defined(ONLY_normalise_lp)
__kernel void ENTRY(normalise_lp)(IN(T, x), OUT(T, y), int rows, int columns, int power) {
    OPEN_IN(T, x); OPEN_OUT(T, y);
    ROW();
    x += (i64)row * columns; y += (i64)row * columns;
    float sum = 0.f;
    for (int c = lane; c < columns; c += WIDTH) { const float v = UP(x[c]); sum += power == 1 ? fabs(v) : v * v; }
    sum = SUM(sum);
    const float norm = power == 1 ? sum : sqrt(sum);
    for (int c = lane; c < columns; c += WIDTH) y[c] = DOWN(norm == 0.f ? 0.f : UP(x[c]) / norm);
}
#elif defined(ONLY_running_sum)
__kernel void ENTRY(running_sum)(IN(T, x), OUT(T, y), int rows, int columns, int exclusive, int reverse) {
    OPEN_IN(T, x); OPEN_OUT(T, y);
    const int row = get_global_id(0);
    if (row >= rows) return;
    x += (i64)row * columns; y += (i64)row * columns;
    W sum = 0;
    for (int i = 0; i < columns; ++i) {
        const int c = reverse ? columns - 1 - i : i;
        const W v = UP(x[c]);
        y[c] = DOWN(exclusive ? sum : sum + v);
        sum += v;
    }
}
#else
// The place of a row's largest (or smallest) element; of equals the first, or the last.
__kernel void ENTRY(place)(IN(T, x), OUT(i64, y), int rows, int columns, int smallest, int last) {
    OPEN_IN(T, x); OPEN_OUT(i64, y);
    const int row = get_global_id(0);
    if (row >= rows) return;
    x += (i64)row * columns;
    int best = 0;
    W value = UP(x[0]);
    for (int c = 1; c < columns; ++c) {
        const W v = UP(x[c]);
        const bool better = smallest ? v < value : v > value;
        if (better || (last && v == value)) { value = v; best = c; }
    }
    y[row] = best;
}
#endif
#undef READ
#undef STORE
#undef W
#undef UP
#undef DOWN
