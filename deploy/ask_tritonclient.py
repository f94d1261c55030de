"""Classifies sample digits with the stock `tritonclient`.

    SCOREHOST_KEY=KEY python deploy/ask_tritonclient.py HOST:PORT SERVICE digits_samples.json
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import tritonclient.http as triton

address, service, samples = sys.argv[1:]
document = json.loads(Path(samples).read_text())
images = np.array(document["data"], np.float32)
with triton.InferenceServerClient(address) as client:
    given = triton.InferInput("X", list(images.shape), "FP32")
    given.set_data_from_numpy(images)
    who = {"authorization": f"Bearer {os.environ.get('SCOREHOST_KEY', '')}"}
    answer = client.infer(service, [given], headers=who)
labels = answer.as_numpy("label").ravel().tolist()
right = sum(label == truth for label, truth in zip(labels, document["labels"]))
print(f"labels {labels}\n{right} of {len(labels)} are right")
