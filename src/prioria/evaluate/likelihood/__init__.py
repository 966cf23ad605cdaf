"""How likely data are: importance sampling, annealing, quadrature, bounds, and what separates them."""
