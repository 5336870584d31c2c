"""Ground floor: durable writes, reading what may be damaged, printable text; imports neither torch nor pyarrow."""
