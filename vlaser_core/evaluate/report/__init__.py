"""Reports: what any evaluation came to as one page and one JSON file, and two runs side by side.

`model.py` says what a report holds; one module an evaluation fills it in; `page.py` draws it; `results.py` reads the JSON of any evaluation back,
`compare.py` compares two.
"""
