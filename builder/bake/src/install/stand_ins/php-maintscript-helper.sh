# Stands in for PHP's helper of maintainer scripts while packages are configured. Enabling a module
# that nobody has enabled or disabled yet starts some forty processes there, for each module and each
# way to run PHP; it comes down to a link and two empty files. Everything else is the helper's own.
. /run/vmimage/real/php-maintscript-helper

php_invoke() (
    if [ "$1" = enmod ] && vmimage_enable "$2" "$3" "$4"; then
        exit 0
    fi
    unset EXPORT_PHP_MAINTSCRIPT_HELPER
    . /run/vmimage/real/php-maintscript-helper
    php_invoke "$@"
)

# vmimage_enable VERSION SAPI|ALL MODULE: fails, having done nothing, where it is not that simple.
vmimage_enable() {
    version=$1 module=$3 priority=20
    ini=/etc/php/$version/mods-available/$module.ini
    states=/var/lib/php/modules/$version
    [ -x /usr/sbin/phpenmod ] && [ -x /usr/sbin/phpquery ] && [ -r "$ini" ] || return 1
    case $2 in
    ALL) sapis=$(cd "/usr/lib/php/$version/sapi" 2>/dev/null && echo *) ;;
    *) sapis=$2 ;;
    esac
    case $sapis in
    '' | '*' | *[!a-z0-9\ ]*) return 1 ;;
    esac
    while read -r line; do
        case $line in
        "; priority="*) priority=${line#*=} ;;
        ";"*priority*) return 1 ;;
        esac
    done <"$ini"
    case $priority in
    '' | *[!0-9]*) return 1 ;;
    esac
    for sapi in $sapis; do
        link=/etc/php/$version/$sapi/conf.d/$priority-$module.ini
        [ -d "${link%/*}" ] || return 1
        for state in disabled_by_admin disabled_by_maint enabled_by_admin; do
            [ ! -e "$states/$sapi/$state/$module" ] || return 1
        done
        if [ -h "$link" ]; then
            [ "$link" -ef "$ini" ] && [ -e "$states/$sapi/enabled_by_maint/$module" ] || return 1
        elif [ -e "$link" ] || [ -e "$states/$sapi/enabled_by_maint/$module" ]; then
            return 1
        fi
    done
    for sapi in $sapis; do
        link=/etc/php/$version/$sapi/conf.d/$priority-$module.ini
        if [ ! -h "$link" ]; then
            ln -s "$ini" "$link" || exit 1
            vmimage_note "$states/$sapi/enabled_by_maint" "$module"
        fi
        # Once a package: the trigger stays set until all packages are configured.
        mark=/run/vmimage/requests/php.$DPKG_MAINTSCRIPT_PACKAGE.$version.$sapi
        if [ ! -e "$mark" ]; then
            : >"$mark"
            dpkg-trigger "/etc/php/$version/$sapi/conf.d"
        fi
    done
    [ "$2" != ALL ] || vmimage_note "$states/registry" "$module"
}

# vmimage_note DIRECTORY NAME: an empty file.
vmimage_note() {
    [ -d "$1" ] || mkdir -p "$1"
    : >>"$1/$2"
}
