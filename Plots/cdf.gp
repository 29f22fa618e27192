# Distribution of a time per system. Defined before: title_text, label, xrange, systems, colours[] and
# the data blocks $system1, $system2, ...
set title title_text noenhanced
set xlabel label
set ylabel "Share of requests"
set yrange [0:1]
set key bottom right
set datafile separator whitespace
plot for [i = 1:words(systems)] "$system" . i using 1:2 with steps linewidth 2 \
  linecolor rgb colours[i] title word(systems, i)
