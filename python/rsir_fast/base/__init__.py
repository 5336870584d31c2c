"""Ground floor: durable writes, careful reading, numbers, cores, printable text; needs neither torch nor pyarrow."""
