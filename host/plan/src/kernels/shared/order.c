// Order and runs along the last dimension of [rows, columns]; I: the type of indices.
#if defined(ONLY_top) || defined(ONLY_top_by_rank)
// Whether an element at place i comes before another at j: NaN is larger than every number, and of equals the first comes first.
FUNCTION int NAMED(before)(NUMBER a, i64 i, NUMBER b, i64 j, int largest) {
    const int left = a != a, right = b != b;
    if (left || right) return left && right ? i < j : (largest ? left : right);
    return a == b ? i < j : (largest ? a > b : a < b);
}
#endif
#ifdef ONLY_top
// Moves an element down a heap whose root comes last of all.
FUNCTION void NAMED(sink)(GLOBAL T* v, GLOBAL i64* p, int at, int count, int largest) {
    for (;;) {
        int child = 2 * at + 1;
        if (child >= count) return;
        if (child + 1 < count && NAMED(before)(LOAD(v[child]), p[child], LOAD(v[child + 1]), p[child + 1], largest)) ++child;
        if (!NAMED(before)(LOAD(v[at]), p[at], LOAD(v[child]), p[child], largest)) return;
        const T value = v[at]; v[at] = v[child]; v[child] = value;
        const i64 place = p[at]; p[at] = p[child]; p[child] = place;
        at = child;
    }
}
// The first k of each row and their places, one row an item: a heap of those kept, taken apart from its root on.
KERNEL(top)(IN(T, x), OUT(T, values), OUT(i64, places), int columns, int k, int largest, int total) {
    OPEN_IN(T, x); OPEN_OUT(T, values); OPEN_OUT(i64, places);
    ITEM(row, total);
    x += (i64)row * columns; values += (i64)row * k; places += (i64)row * k;
    for (int c = 0; c < k; ++c) { values[c] = x[c]; places[c] = c; }
    for (int c = k / 2 - 1; c >= 0; --c) NAMED(sink)(values, places, c, k, largest);
    for (int c = k; c < columns; ++c)
        if (NAMED(before)(LOAD(x[c]), c, LOAD(values[0]), places[0], largest)) {
            values[0] = x[c];
            places[0] = c;
            NAMED(sink)(values, places, 0, k, largest);
        }
    for (int n = k - 1; n > 0; --n) {
        const T value = values[0]; values[0] = values[n]; values[n] = value;
        const i64 place = places[0]; places[0] = places[n]; places[n] = place;
        NAMED(sink)(values, places, 0, n, largest);
    }
}
#endif
#ifdef ONLY_top_by_rank
// The same, one element an item, which counts those before it.
KERNEL(top_by_rank)(IN(T, x), OUT(T, values), OUT(i64, places), int columns, int k, int largest, int total) {
    OPEN_IN(T, x); OPEN_OUT(T, values); OPEN_OUT(i64, places);
    ITEM(i, total);
    const int row = i / columns, mine = i - row * columns;
    x += (i64)row * columns;
    const NUMBER v = LOAD(x[mine]);
    int rank = 0;
    for (int c = 0; c < columns && rank < k; ++c) rank += NAMED(before)(LOAD(x[c]), c, v, mine, largest);
    if (rank < k) { values[(i64)row * k + rank] = x[mine]; places[(i64)row * k + rank] = mine; }
}
#endif
#ifdef ONLY_running_product
KERNEL(running_product)(IN(T, x), OUT(T, y), int columns, int exclusive, int reverse, int total) {
    OPEN_IN(T, x); OPEN_OUT(T, y);
    ITEM(row, total);
    x += (i64)row * columns; y += (i64)row * columns;
    NUMBER product = 1;
    for (int k = 0; k < columns; ++k) {
        const int c = reverse ? columns - 1 - k : k;
        const NUMBER v = LOAD(x[c]);
        y[c] = SAVE(exclusive ? product : product * v);
        product *= v;
    }
}
#endif
#ifdef ONLY_reverse
// Turns the first elements along one dimension around, as many as the place along another says. Both by their sizes and steps.
KERNEL(reverse)(IN(T, x), IN(I, lengths), OUT(T, y), int time, int time_step, int batch, int batch_step, int total) {
    OPEN_IN(T, x); OPEN_IN(I, lengths); OPEN_OUT(T, y);
    ITEM(i, total);
    const int t = i / time_step % time, b = i / batch_step % batch;
    const i64 length = (i64)lengths[b], n = length < 0 ? 0 : (length > time ? time : length);
    y[i] = x[t < n ? i + (n - 1 - 2 * t) * time_step : i];
}
#endif
