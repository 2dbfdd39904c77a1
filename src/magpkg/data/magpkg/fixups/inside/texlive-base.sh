#!/bin/bash
# mktexlsr(1) and fmtutil(1): the lists of files that programs look in, and the formats of plain TeX.
set -e
mkdir -p /out/var/lib/texmf/web2c/tex /out/var/lib/texmf/web2c/pdftex
for pair in texlive/texmf-dist:TEXLIVEDIST texmf:TEXMFMAIN; do
  directory=/usr/share/${pair%%:*}
  {
    echo '% ls-R -- filename database for kpathsea; do not change this line.'
    # Some links in there lead to settings that a system has and a package does not.
    (cd "$directory" && { ls -1LAR ./ 2>/dev/null || true; })
  } >"/out/var/lib/texmf/ls-R-${pair##*:}"
done
export TEXMF=/usr/share/texmf//:/usr/share/texlive/texmf-dist//
cat >language.def <<'END'
%% e-TeX V2.0;2
\addlanguage{USenglish}{hyphen}{}{2}{3}
\uselanguage{USenglish}
END
# A format has the time in it at which it was made, by TeX's own idea of it.
early=('\time=0' '\day=1' '\month=1' '\year=1980' '\input')
tex -ini -jobname=tex "${early[@]}" tex.ini
pdftex -ini -etex -jobname=etex -translate-file=cp227.tcx "${early[@]}" etex.ini
pdftex -ini -etex -jobname=pdftex -translate-file=cp227.tcx "${early[@]}" pdfetex.ini
mv tex.fmt /out/var/lib/texmf/web2c/tex/
mv etex.fmt pdftex.fmt /out/var/lib/texmf/web2c/pdftex/

mkdir -p /out/var/lib/texmf/tex/generic/config /out/var/lib/texmf/fonts/map/pdftex/updmap
mv language.def /out/var/lib/texmf/tex/generic/config/
cat /usr/share/texlive/texmf-dist/fonts/map/dvips/amsfonts/*.map >/out/var/lib/texmf/fonts/map/pdftex/updmap/pdftex.map
{
  echo '% ls-R -- filename database for kpathsea; do not change this line.'
  (cd /out/var/lib/texmf && ls -1LAR ./)
} >ls-R
mv ls-R /out/var/lib/texmf/ls-R
