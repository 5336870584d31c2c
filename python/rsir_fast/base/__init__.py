"""Everyone's ground floor: durable writes, printable text; imports neither torch nor pyarrow."""
