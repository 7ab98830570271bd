from __future__ import annotations
import uuid
from dataclasses import replace
from test_statistics import *  # noqa
def test_size(aws, statistics, clock):
    clock.now -= DAY_S / 2
    heard = replace(HEARD, model_version="20261121-101500-3f1c22ab")
    for number in range(1600):
        clock.now += DAY_S / 1601
        label = ("casual", "explosion", "gunshot", "siren")[number % 4]
        statistics.count(replace(heard, label=label, confidence=(number % 200) / 200, processing_ms=4.1), str(uuid.uuid4()))
    for item in aws.dynamodb.scan(TableName="earshot")["Items"]:
        size = hours = 0
        for name, value in item.items():
            (kind, text), = value.items()
            one = len(name) + (len(text) if kind == "S" else (len(text) + 1) // 2 + 1)
            size += one
            if name[0] in "hk": hours += one
        print(size, hours, len(item))
