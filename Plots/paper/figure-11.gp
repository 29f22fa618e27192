# Figure 11: set A at 3 requests a second over time.
systems = "nixl lmcache tract"
array colours[3] = ["#0072B2", "#D55E00", "#009E73"]
title_text = "Figure 11: set A, 3 requests/s"
load "Plots/utilisation.gp"
