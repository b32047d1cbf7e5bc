# Compiles the Python modules of packages as their postinst scripts asked. Without an epoch, because
# with one Python writes bytecode that it has to check against the source each time it is loaded;
# packaged sources have fixed times, so that both are reproducible.
unset SOURCE_DATE_EPOCH
while read -r request; do
    # The request is a list of words.
    # shellcheck disable=SC2086
    /run/vmimage/py3compile $request || exit
done
