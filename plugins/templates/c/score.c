/* A scorer: adds up the numbers of a request. */

#include "scorehost.h"

/* Runs once per replica: open models here. */
static bool init(sh_failure *failure) {
    (void)failure;
    SH_LOG(SH_INFO, "ready");
    return true;
}

/* Runs once per request. */
static bool run(const sh_request *request, sh_response *response, sh_failure *failure) {
    char *body = strndup((const char *)request->body.ptr, request->body.len);
    double sum = 0;
    int count = 0;
    char *at = strchr(body, '[');
    while (at && *at && *at != ']') {
        char *end;
        double value = strtod(at + 1, &end);
        if (end == at + 1)
            break;
        sum += value;
        count++;
        at = end + strspn(end, " \t\r\n");
    }
    bool good = at && *at == ']' && count > 0;
    free(body);
    if (!good)
        return sh_fail(failure, SH_INVALID_INPUT, "the body must be {\"data\": [number, ...]}");
    char answer[64];
    snprintf(answer, sizeof answer, "{\"sum\": %.17g, \"count\": %d}", sum, count);
    return sh_answer(response, 200, answer);
}

SH_ENTRY_SCRIPT(init, run)
