"""What the recipe `lora` is made of: prompts, rows and their audit, grammars, the loop, decoding. Torch stays here."""
