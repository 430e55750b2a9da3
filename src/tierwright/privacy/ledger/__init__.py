"""What was decided about everything that was to leave: durable, free of content, and evident where it was touched.

A folder holds one chain for each process that wrote. A chain is a file, `TIME-PID-RANDOM.jsonl`, or several where it
grew large (`…-2.jsonl` goes on from the last line of the first). Each line is one JSON object, ended by a newline:

    {"seq":1,"at":"2026-11-28T14:00:25.123456Z","kind":"start", …facts… ,"prev":"64 hex digits","hash":"64 hex digits"}

`hash` is the SHA-256, in lower-case hex, of one zero byte and of the line's bytes before `,"hash":`; `prev` is the hash
of the line before, 64 zeros in the first; `seq` counts from 1. Any language checks that in a dozen lines, without a
secret: docs/ledger.md has them.

What a chain alone can't show, others say of it: `start` names the last lines of the other chains in the folder, `roll`
the file that follows, `end` a clean close, and signed checkpoints, in `CHAIN.checkpoints` and wherever else they are
kept, which hash the chain had at which line. A last line without its newline was never acknowledged: its process was
killed while it wrote.
"""
