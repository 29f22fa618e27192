# What all plots share: `tract-sim plot` loads this file before each of them.
set grid xtics ytics linetype 1 linecolor "#DDDDDD"
set border 3
set tics nomirror out
set key noenhanced box linecolor "#BBBBBB"
set datafile separator ","
set datafile columnheaders
# Rows of other systems do not interrupt a line.
set datafile missing NaN
set style fill solid 1 noborder
