// Elements put to computed places of a tensor that holds a copy already. T: element, I: the type of indices.
// HOW a new element meets the old one: 0 replaces it, 1 sum, 2 product, 3 the larger, 4 the smaller.
#if HOW == 1
#define MEET(place, v) place = SAVE(LOAD(place) + LOAD(v))
#elif HOW == 2
#define MEET(place, v) place = SAVE(LOAD(place) * LOAD(v))
#elif HOW == 3
#define MEET(place, v) place = SAVE(LARGEST(LOAD(place), LOAD(v)))
#elif HOW == 4
#define MEET(place, v) place = SAVE(LEAST(LOAD(place), LOAD(v)))
#else
#define MEET(place, v) place = v
#endif
#ifdef ONLY_scatter_elements
// Lines along the dimension never meet: an item puts all updates of one, in their order. `from` and `to` walk the lines' starts.
KERNEL(scatter_elements)(IN(T, updates), IN(I, indices), OUT(T, y), Walk from, Walk to, int length, int from_step, int size, int to_step, int total) {
    OPEN_IN(T, updates); OPEN_IN(I, indices); OPEN_OUT(T, y);
    ITEM(i, total);
    const i64 first = LOCATE(from, i), start = LOCATE(to, i);
    for (int k = 0; k < length; ++k) {
        const i64 u = first + (i64)k * from_step, at = start + wrap_index((i64)indices[u], size) * to_step;
        MEET(y[at], updates[u]);
    }
}
#endif
#ifdef ONLY_scatter_nd
// indices: [tuples, rank], updates: [tuples, inner]. Where elements meet, slices are dealt out to `parts`, each of which takes its own in order.
KERNEL(scatter_nd)(IN(T, updates), IN(I, indices), OUT(T, y), Walk dims, int tuples, int inner, int parts, int total) {
    OPEN_IN(T, updates); OPEN_IN(I, indices); OPEN_OUT(T, y);
    ITEM(i, total);
    const int row = i / inner, e = i - row * inner;
#if HOW == 0
    const int first = row, last = row + 1;
#else
    const int first = 0, last = tuples;
#endif
    for (int t = first; t < last; ++t) {
        i64 slice = 0;
        for (int d = 0; d < dims.rank; ++d) slice += wrap_index((i64)indices[(i64)t * dims.rank + d], dims.size[d]) * dims.step[d];
#if HOW != 0
        if (slice % parts != row) continue;
#endif
        MEET(y[slice * inner + e], updates[(i64)t * inner + e]);
    }
}
#endif
#ifdef ONLY_scatter_run
// updates: [batches, outer, run, inner] into [batches, outer, size, inner] from the batch's own place on, around the end where `circular`.
KERNEL(scatter_run)(IN(T, updates), IN(I, starts), OUT(T, y), int outer, int run, int size, int inner, int circular, int total) {
    OPEN_IN(T, updates); OPEN_IN(I, starts); OPEN_OUT(T, y);
    ITEM(i, total);
    const int e = i % inner, k = i / inner % run, line = i / inner / run, batch = line / outer;
    i64 at = k + (starts ? (i64)starts[batch] : 0);
    at = circular ? (at % size + size) % size : wrap_index(at, size);
    MEET(y[((i64)line * size + at) * inner + e], updates[i]);
}
#endif
#undef MEET
