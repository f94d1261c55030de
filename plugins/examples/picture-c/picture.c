/* The mean colour of a picture, and where its brightest of 8 x 8 fields is: all of it computed in the host, by operations on handles.
 *
 * The body is a JPEG or PNG file. The answer: {"mean": [red, green, blue] from 0 to 1, "brightest": [row, column]}. */

#include "scorehost.h"

static bool init(sh_failure *failure) {
    (void)failure;
    return true;
}

/* Fields of red, green and blue, FP32 [3, 8, 8]. Handles on the way are given back. */
static bool fields_of(const sh_request *request, sh_tensor *fields, sh_failure *failure) {
    const uint64_t length[] = { request->body.len };
    const sh_sampling sampling = { SH_BILINEAR, true, SH_CHANNELS_LAST };
    const sh_normalization normalization = { .scale = 1 / 255.0f, .from = SH_CHANNELS_LAST, .to = SH_CHANNELS_FIRST };
    sh_tensor file, photo, small;
    if (!sh_tensor_create(SH_U8, length, 1, request->body.ptr, request->body.len, &file, failure))
        return false;
    bool good = sh_decode(file, SH_RGB, &photo, failure);
    sh_tensor_drop(file);
    if (!good)
        return false;
    good = sh_resize(photo, 8, 8, sampling, &small, failure);
    sh_tensor_drop(photo);
    if (!good)
        return false;
    good = sh_normalize(small, normalization, fields, failure);
    sh_tensor_drop(small);
    return good;
}

static bool run(const sh_request *request, sh_response *response, sh_failure *failure) {
    const int32_t sides[] = { 1, 2 }, colours[] = { 0 };
    sh_tensor fields, mean, brightness, rows, columns;
    if (!fields_of(request, &fields, failure) || !sh_reduce(SH_MEAN, fields, sides, 2, false, &mean, failure) ||
        !sh_reduce(SH_SUM, fields, colours, 1, false, &brightness, failure))
        return false;
    /* The row with the greatest of all, then its column. */
    const int32_t across[] = { 1 };
    sh_tensor greatest;
    if (!sh_reduce(SH_MAX, brightness, across, 1, false, &greatest, failure) || !sh_argmax(greatest, 0, &rows, failure) ||
        !sh_argmax(brightness, 1, &columns, failure))
        return false;
    sh_bytes colour = sh_tensor_data(mean), row = sh_tensor_data(rows), column = sh_tensor_data(columns);
    const float *rgb = (const float *)colour.ptr;
    int at = (int)((const int64_t *)row.ptr)[0];
    char body[160];
    snprintf(body, sizeof body, "{\"mean\": [%.9g, %.9g, %.9g], \"brightest\": [%d, %d]}", rgb[0], rgb[1], rgb[2], at,
             (int)((const int64_t *)column.ptr)[at]);
    free(colour.ptr);
    free(row.ptr);
    free(column.ptr);
    sh_tensor_drop(fields);
    sh_tensor_drop(mean);
    sh_tensor_drop(brightness);
    sh_tensor_drop(greatest);
    sh_tensor_drop(rows);
    sh_tensor_drop(columns);
    return sh_answer(response, 200, body);
}

SH_RAW_ENTRY_SCRIPT(init, run)
