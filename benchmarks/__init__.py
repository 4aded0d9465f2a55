"""What `make bench` measures: the product's hot path against a bare proxy's."""
