// The right matrix of a product, which the call computes, as panels: [batch][panel][depth][PANEL], filled up with zeros.
__kernel void ENTRY(pack)(IN(T, b), OUT(T, y), Packing p) {
    OPEN_IN(T, b); OPEN_OUT(T, y);
    const int i = get_global_id(0), batch = get_global_id(1);
    if (i >= p.total) return;
    const int panel = i / p.depth, k = i - panel * p.depth, outer = batch / p.inner, n0 = panel * PANEL, count = min(PANEL, p.columns - n0);
    b += (i64)outer * p.outer_step + (i64)(batch - outer * p.inner) * p.inner_step + (i64)k * p.row + (i64)n0 * p.column;
    y += ((i64)batch * p.total + i) * PANEL;
    for (int j = 0; j < PANEL; ++j) y[j] = j < count ? b[(i64)j * p.column] : 0;
}
