"""The worker processes: a parent that never dies of a picture, and the child that looks at them."""
