import os
from pathlib import Path
from spreeze import run_folder
from spreeze.config import Settings
from spreeze.run import execute
import sys
def play(folder, toy, env="LINE", serial=True, options=None, **run):
    data = {"algo": f"tests.contract.{toy}:ALGORITHM", "env": f"tests.contract.environments:{env}",
      "run": {"visualize":"none","serial":serial,"samplers":1,"evaluate_every":1000.0,**run}, "algorithm": options or {}}
    s = Settings.from_data(data)
    with run_folder.claim(folder, fresh=True) as c:
        execute(s, c)
