// A scorer: adds up the numbers of a request.

import { BadRequest, entryScript, log } from "scorehost";

export const { init, describe, run } = entryScript({
  // Runs once per replica: open models here.
  init() {
    log.info("ready");
  },

  // Runs once per request; what it returns is sent as JSON.
  run(request) {
    const { data } = request.json();
    if (!Array.isArray(data)) {
      throw new BadRequest("'data' must be a list of numbers");
    }
    return { sum: data.reduce((sum, value) => sum + value, 0), count: data.length };
  },
});
