// Ensembles of trees, one row of the input an item. nodes: [count][4]: feature, or -1 for a leaf; kind of comparison, 8 more where NaN holds; the
// nodes where it holds and where not, or a leaf's first vote and the one behind its last. HOW votes join: 0 sum, 1 smallest, 2 largest.
#ifdef ONLY_trees
KERNEL(trees)(IN(T, x), IN(i32, nodes), IN(float, values), IN(i32, roots), IN(i32, targets), IN(float, weights), OUT(float, y), int features, int count,
        int outputs, int total) {
    OPEN_IN(T, x); OPEN_IN(i32, nodes); OPEN_IN(float, values); OPEN_IN(i32, roots); OPEN_IN(i32, targets); OPEN_IN(float, weights); OPEN_OUT(float, y);
    ITEM(row, total);
    x += (i64)row * features; y += (i64)row * outputs;
    for (int o = 0; o < outputs; ++o) y[o] = HOW == 0 ? 0.f : HOW == 1 ? INFINITY_F : -INFINITY_F;
    for (int t = 0; t < count; ++t) {
        int at = roots[t];
        for (;;) {
            const int feature = nodes[at * 4], kind = nodes[at * 4 + 1];
            if (feature < 0) break;
            const NUMBER v = LOAD(x[feature]), limit = (NUMBER)values[at];
            int holds;
            switch (kind & 7) {
                case 0: holds = v <= limit; break;
                case 1: holds = v < limit; break;
                case 2: holds = v >= limit; break;
                case 3: holds = v > limit; break;
                case 4: holds = v == limit; break;
                default: holds = v != limit;
            }
            at = nodes[at * 4 + (holds || ((kind & 8) && v != v) ? 2 : 3)];
        }
        for (int vote = nodes[at * 4 + 2]; vote < nodes[at * 4 + 3]; ++vote) {
            GLOBAL float* sum = y + targets[vote];
            const float w = weights[vote];
#if HOW == 0
            *sum += w;
#elif HOW == 1
            *sum = w < *sum ? w : *sum;
#else
            *sum = w > *sum ? w : *sum;
#endif
        }
    }
#if HOW != 0
    for (int o = 0; o < outputs; ++o) if (y[o] == INFINITY_F || y[o] == -INFINITY_F) y[o] = 0.f;
#endif
}
#endif
