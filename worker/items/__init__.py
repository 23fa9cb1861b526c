"""From the bytes of a page to Arrow and back to nothing lost: types, conversion, checks."""
