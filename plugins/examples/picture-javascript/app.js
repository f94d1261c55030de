// The mean colour of a picture, and where its brightest of 8 x 8 fields is: all of it computed in the host, by operations on handles.
//
// The body is a JPEG or PNG file. The answer: {"mean": [red, green, blue] from 0 to 1, "brightest": [row, column]}.

import { entryScript, operations } from "scorehost";

export const { init, describe, run } = entryScript({
  rawHttp: true,

  run(request) {
    const photo = operations.decode(request.body);
    const fields = operations.normalize(operations.resize(photo, 8, 8));
    const mean = Array.from(operations.reduce("mean", fields, [1, 2]).toArray());
    const brightness = operations.reduce("sum", fields, [0]).reshape([64]);
    const brightest = Number(operations.argmax(brightness).toArray()[0]);
    return { mean, brightest: [Math.floor(brightest / 8), brightest % 8] };
  },
});
