/* promotion.h - made by make_promotion.py with NumPy 2.4.6; do not edit, run it again. */
#include <stdint.h>

/* numpy.promote_types, as letters of "?bhiqBHIQefd". */
static const char promote_types[12][13] = {
    "?bhiqBHIQefd",
    "bbhiqhiqdefd",
    "hhhiqhiqdffd",
    "iiiiqiiqdddd",
    "qqqqqqqqdddd",
    "BhhiqBHIQefd",
    "HiiiqHHIQffd",
    "IqqqqIIIQddd",
    "QddddQQQQddd",
    "eefddefddefd",
    "fffddffddffd",
    "dddddddddddd",
};

/* Per operation: types of the loop and of the result for all combinations of 12 types, Python int, Python float;
 * the last argument runs fastest. */
static const char resolve_ADD[] =
    "??? bbb hhh iii qqq BBB HHH III QQQ eee fff ddd qqq ddd "
    "bbb bbb hhh iii qqq hhh iii qqq ddd eee fff ddd bbb ddd "
    "hhh hhh hhh iii qqq hhh iii qqq ddd fff fff ddd hhh ddd "
    "iii iii iii iii qqq iii iii qqq ddd ddd ddd ddd iii ddd "
    "qqq qqq qqq qqq qqq qqq qqq qqq ddd ddd ddd ddd qqq ddd "
    "BBB hhh hhh iii qqq BBB HHH III QQQ eee fff ddd BBB ddd "
    "HHH iii iii iii qqq HHH HHH III QQQ fff fff ddd HHH ddd "
    "III qqq qqq qqq qqq III III III QQQ ddd ddd ddd III ddd "
    "QQQ ddd ddd ddd ddd QQQ QQQ QQQ QQQ ddd ddd ddd QQQ ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee eee "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff fff "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "qqq bbb hhh iii qqq BBB HHH III QQQ eee fff ddd qqq ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd eee fff ddd ddd ddd "
    ;
static const char resolve_SUBTRACT[] =
    "- bbb hhh iii qqq BBB HHH III QQQ eee fff ddd qqq ddd "
    "bbb bbb hhh iii qqq hhh iii qqq ddd eee fff ddd bbb ddd "
    "hhh hhh hhh iii qqq hhh iii qqq ddd fff fff ddd hhh ddd "
    "iii iii iii iii qqq iii iii qqq ddd ddd ddd ddd iii ddd "
    "qqq qqq qqq qqq qqq qqq qqq qqq ddd ddd ddd ddd qqq ddd "
    "BBB hhh hhh iii qqq BBB HHH III QQQ eee fff ddd BBB ddd "
    "HHH iii iii iii qqq HHH HHH III QQQ fff fff ddd HHH ddd "
    "III qqq qqq qqq qqq III III III QQQ ddd ddd ddd III ddd "
    "QQQ ddd ddd ddd ddd QQQ QQQ QQQ QQQ ddd ddd ddd QQQ ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee eee "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff fff "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "qqq bbb hhh iii qqq BBB HHH III QQQ eee fff ddd qqq ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd eee fff ddd ddd ddd "
    ;
static const char resolve_MULTIPLY[] =
    "??? bbb hhh iii qqq BBB HHH III QQQ eee fff ddd qqq ddd "
    "bbb bbb hhh iii qqq hhh iii qqq ddd eee fff ddd bbb ddd "
    "hhh hhh hhh iii qqq hhh iii qqq ddd fff fff ddd hhh ddd "
    "iii iii iii iii qqq iii iii qqq ddd ddd ddd ddd iii ddd "
    "qqq qqq qqq qqq qqq qqq qqq qqq ddd ddd ddd ddd qqq ddd "
    "BBB hhh hhh iii qqq BBB HHH III QQQ eee fff ddd BBB ddd "
    "HHH iii iii iii qqq HHH HHH III QQQ fff fff ddd HHH ddd "
    "III qqq qqq qqq qqq III III III QQQ ddd ddd ddd III ddd "
    "QQQ ddd ddd ddd ddd QQQ QQQ QQQ QQQ ddd ddd ddd QQQ ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee eee "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff fff "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "qqq bbb hhh iii qqq BBB HHH III QQQ eee fff ddd qqq ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd eee fff ddd ddd ddd "
    ;
static const char resolve_DIVIDE[] =
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd eee fff ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd eee fff ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd fff fff ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd eee fff ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd fff fff ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee eee "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff fff "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd eee fff ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd eee fff ddd ddd ddd "
    ;
static const char resolve_FLOOR_DIVIDE[] =
    "bbb bbb hhh iii qqq BBB HHH III QQQ eee fff ddd qqq ddd "
    "bbb bbb hhh iii qqq hhh iii qqq ddd eee fff ddd bbb ddd "
    "hhh hhh hhh iii qqq hhh iii qqq ddd fff fff ddd hhh ddd "
    "iii iii iii iii qqq iii iii qqq ddd ddd ddd ddd iii ddd "
    "qqq qqq qqq qqq qqq qqq qqq qqq ddd ddd ddd ddd qqq ddd "
    "BBB hhh hhh iii qqq BBB HHH III QQQ eee fff ddd BBB ddd "
    "HHH iii iii iii qqq HHH HHH III QQQ fff fff ddd HHH ddd "
    "III qqq qqq qqq qqq III III III QQQ ddd ddd ddd III ddd "
    "QQQ ddd ddd ddd ddd QQQ QQQ QQQ QQQ ddd ddd ddd QQQ ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee eee "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff fff "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "qqq bbb hhh iii qqq BBB HHH III QQQ eee fff ddd qqq ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd eee fff ddd ddd ddd "
    ;
static const char resolve_REMAINDER[] =
    "bbb bbb hhh iii qqq BBB HHH III QQQ eee fff ddd qqq ddd "
    "bbb bbb hhh iii qqq hhh iii qqq ddd eee fff ddd bbb ddd "
    "hhh hhh hhh iii qqq hhh iii qqq ddd fff fff ddd hhh ddd "
    "iii iii iii iii qqq iii iii qqq ddd ddd ddd ddd iii ddd "
    "qqq qqq qqq qqq qqq qqq qqq qqq ddd ddd ddd ddd qqq ddd "
    "BBB hhh hhh iii qqq BBB HHH III QQQ eee fff ddd BBB ddd "
    "HHH iii iii iii qqq HHH HHH III QQQ fff fff ddd HHH ddd "
    "III qqq qqq qqq qqq III III III QQQ ddd ddd ddd III ddd "
    "QQQ ddd ddd ddd ddd QQQ QQQ QQQ QQQ ddd ddd ddd QQQ ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee eee "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff fff "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "qqq bbb hhh iii qqq BBB HHH III QQQ eee fff ddd qqq ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd eee fff ddd ddd ddd "
    ;
static const char resolve_POWER[] =
    "bbb bbb hhh iii qqq BBB HHH III QQQ eee fff ddd qqq ddd "
    "bbb bbb hhh iii qqq hhh iii qqq ddd eee fff ddd bbb ddd "
    "hhh hhh hhh iii qqq hhh iii qqq ddd fff fff ddd hhh ddd "
    "iii iii iii iii qqq iii iii qqq ddd ddd ddd ddd iii ddd "
    "qqq qqq qqq qqq qqq qqq qqq qqq ddd ddd ddd ddd qqq ddd "
    "BBB hhh hhh iii qqq BBB HHH III QQQ eee fff ddd BBB ddd "
    "HHH iii iii iii qqq HHH HHH III QQQ fff fff ddd HHH ddd "
    "III qqq qqq qqq qqq III III III QQQ ddd ddd ddd III ddd "
    "QQQ ddd ddd ddd ddd QQQ QQQ QQQ QQQ ddd ddd ddd QQQ ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee eee "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff fff "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "qqq bbb hhh iii qqq BBB HHH III QQQ eee fff ddd qqq ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd eee fff ddd ddd ddd "
    ;
static const char resolve_MAXIMUM[] =
    "??? bbb hhh iii qqq BBB HHH III QQQ eee fff ddd qqq ddd "
    "bbb bbb hhh iii qqq hhh iii qqq ddd eee fff ddd bbb ddd "
    "hhh hhh hhh iii qqq hhh iii qqq ddd fff fff ddd hhh ddd "
    "iii iii iii iii qqq iii iii qqq ddd ddd ddd ddd iii ddd "
    "qqq qqq qqq qqq qqq qqq qqq qqq ddd ddd ddd ddd qqq ddd "
    "BBB hhh hhh iii qqq BBB HHH III QQQ eee fff ddd BBB ddd "
    "HHH iii iii iii qqq HHH HHH III QQQ fff fff ddd HHH ddd "
    "III qqq qqq qqq qqq III III III QQQ ddd ddd ddd III ddd "
    "QQQ ddd ddd ddd ddd QQQ QQQ QQQ QQQ ddd ddd ddd QQQ ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee eee "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff fff "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "qqq bbb hhh iii qqq BBB HHH III QQQ eee fff ddd qqq ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd eee fff ddd ddd ddd "
    ;
static const char resolve_MINIMUM[] =
    "??? bbb hhh iii qqq BBB HHH III QQQ eee fff ddd qqq ddd "
    "bbb bbb hhh iii qqq hhh iii qqq ddd eee fff ddd bbb ddd "
    "hhh hhh hhh iii qqq hhh iii qqq ddd fff fff ddd hhh ddd "
    "iii iii iii iii qqq iii iii qqq ddd ddd ddd ddd iii ddd "
    "qqq qqq qqq qqq qqq qqq qqq qqq ddd ddd ddd ddd qqq ddd "
    "BBB hhh hhh iii qqq BBB HHH III QQQ eee fff ddd BBB ddd "
    "HHH iii iii iii qqq HHH HHH III QQQ fff fff ddd HHH ddd "
    "III qqq qqq qqq qqq III III III QQQ ddd ddd ddd III ddd "
    "QQQ ddd ddd ddd ddd QQQ QQQ QQQ QQQ ddd ddd ddd QQQ ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee eee "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff fff "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "qqq bbb hhh iii qqq BBB HHH III QQQ eee fff ddd qqq ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd eee fff ddd ddd ddd "
    ;
static const char resolve_FMAX[] =
    "??? bbb hhh iii qqq BBB HHH III QQQ eee fff ddd qqq ddd "
    "bbb bbb hhh iii qqq hhh iii qqq ddd eee fff ddd bbb ddd "
    "hhh hhh hhh iii qqq hhh iii qqq ddd fff fff ddd hhh ddd "
    "iii iii iii iii qqq iii iii qqq ddd ddd ddd ddd iii ddd "
    "qqq qqq qqq qqq qqq qqq qqq qqq ddd ddd ddd ddd qqq ddd "
    "BBB hhh hhh iii qqq BBB HHH III QQQ eee fff ddd BBB ddd "
    "HHH iii iii iii qqq HHH HHH III QQQ fff fff ddd HHH ddd "
    "III qqq qqq qqq qqq III III III QQQ ddd ddd ddd III ddd "
    "QQQ ddd ddd ddd ddd QQQ QQQ QQQ QQQ ddd ddd ddd QQQ ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee eee "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff fff "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "qqq bbb hhh iii qqq BBB HHH III QQQ eee fff ddd qqq ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd eee fff ddd ddd ddd "
    ;
static const char resolve_FMIN[] =
    "??? bbb hhh iii qqq BBB HHH III QQQ eee fff ddd qqq ddd "
    "bbb bbb hhh iii qqq hhh iii qqq ddd eee fff ddd bbb ddd "
    "hhh hhh hhh iii qqq hhh iii qqq ddd fff fff ddd hhh ddd "
    "iii iii iii iii qqq iii iii qqq ddd ddd ddd ddd iii ddd "
    "qqq qqq qqq qqq qqq qqq qqq qqq ddd ddd ddd ddd qqq ddd "
    "BBB hhh hhh iii qqq BBB HHH III QQQ eee fff ddd BBB ddd "
    "HHH iii iii iii qqq HHH HHH III QQQ fff fff ddd HHH ddd "
    "III qqq qqq qqq qqq III III III QQQ ddd ddd ddd III ddd "
    "QQQ ddd ddd ddd ddd QQQ QQQ QQQ QQQ ddd ddd ddd QQQ ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee eee "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff fff "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "qqq bbb hhh iii qqq BBB HHH III QQQ eee fff ddd qqq ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd eee fff ddd ddd ddd "
    ;
static const char resolve_ARCTAN2[] =
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd ddd ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee ddd "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee ddd "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee eee "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff fff "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "ddd eee fff ddd ddd eee fff ddd ddd eee fff ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd eee fff ddd ddd ddd "
    ;
static const char resolve_HYPOT[] =
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd ddd ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee ddd "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee ddd "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee eee "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff fff "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "ddd eee fff ddd ddd eee fff ddd ddd eee fff ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd eee fff ddd ddd ddd "
    ;
static const char resolve_COPYSIGN[] =
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd ddd ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee ddd "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee ddd "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee eee "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff fff "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "ddd eee fff ddd ddd eee fff ddd ddd eee fff ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd eee fff ddd ddd ddd "
    ;
static const char resolve_EQUAL[] =
    "??? bb? hh? ii? qq? BB? HH? II? QQ? ee? ff? dd? qq? dd? "
    "bb? bb? hh? ii? qq? hh? ii? qq? qQ? ee? ff? dd? bb? dd? "
    "hh? hh? hh? ii? qq? hh? ii? qq? qQ? ff? ff? dd? hh? dd? "
    "ii? ii? ii? ii? qq? ii? ii? qq? qQ? dd? dd? dd? ii? dd? "
    "qq? qq? qq? qq? qq? qq? qq? qq? qQ? dd? dd? dd? qq? dd? "
    "BB? hh? hh? ii? qq? BB? HH? II? QQ? ee? ff? dd? BB? dd? "
    "HH? ii? ii? ii? qq? HH? HH? II? QQ? ff? ff? dd? HH? dd? "
    "II? qq? qq? qq? qq? II? II? II? QQ? dd? dd? dd? II? dd? "
    "QQ? Qq? Qq? Qq? Qq? QQ? QQ? QQ? QQ? dd? dd? dd? QQ? dd? "
    "ee? ee? ff? dd? dd? ee? ff? dd? dd? ee? ff? dd? ee? ee? "
    "ff? ff? ff? dd? dd? ff? ff? dd? dd? ff? ff? dd? ff? ff? "
    "dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? "
    "qq? bb? hh? ii? qq? BB? HH? II? QQ? ee? ff? dd? qq? dd? "
    "dd? dd? dd? dd? dd? dd? dd? dd? dd? ee? ff? dd? dd? dd? "
    ;
static const char resolve_NOT_EQUAL[] =
    "??? bb? hh? ii? qq? BB? HH? II? QQ? ee? ff? dd? qq? dd? "
    "bb? bb? hh? ii? qq? hh? ii? qq? qQ? ee? ff? dd? bb? dd? "
    "hh? hh? hh? ii? qq? hh? ii? qq? qQ? ff? ff? dd? hh? dd? "
    "ii? ii? ii? ii? qq? ii? ii? qq? qQ? dd? dd? dd? ii? dd? "
    "qq? qq? qq? qq? qq? qq? qq? qq? qQ? dd? dd? dd? qq? dd? "
    "BB? hh? hh? ii? qq? BB? HH? II? QQ? ee? ff? dd? BB? dd? "
    "HH? ii? ii? ii? qq? HH? HH? II? QQ? ff? ff? dd? HH? dd? "
    "II? qq? qq? qq? qq? II? II? II? QQ? dd? dd? dd? II? dd? "
    "QQ? Qq? Qq? Qq? Qq? QQ? QQ? QQ? QQ? dd? dd? dd? QQ? dd? "
    "ee? ee? ff? dd? dd? ee? ff? dd? dd? ee? ff? dd? ee? ee? "
    "ff? ff? ff? dd? dd? ff? ff? dd? dd? ff? ff? dd? ff? ff? "
    "dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? "
    "qq? bb? hh? ii? qq? BB? HH? II? QQ? ee? ff? dd? qq? dd? "
    "dd? dd? dd? dd? dd? dd? dd? dd? dd? ee? ff? dd? dd? dd? "
    ;
static const char resolve_LESS[] =
    "??? bb? hh? ii? qq? BB? HH? II? QQ? ee? ff? dd? qq? dd? "
    "bb? bb? hh? ii? qq? hh? ii? qq? qQ? ee? ff? dd? bb? dd? "
    "hh? hh? hh? ii? qq? hh? ii? qq? qQ? ff? ff? dd? hh? dd? "
    "ii? ii? ii? ii? qq? ii? ii? qq? qQ? dd? dd? dd? ii? dd? "
    "qq? qq? qq? qq? qq? qq? qq? qq? qQ? dd? dd? dd? qq? dd? "
    "BB? hh? hh? ii? qq? BB? HH? II? QQ? ee? ff? dd? BB? dd? "
    "HH? ii? ii? ii? qq? HH? HH? II? QQ? ff? ff? dd? HH? dd? "
    "II? qq? qq? qq? qq? II? II? II? QQ? dd? dd? dd? II? dd? "
    "QQ? Qq? Qq? Qq? Qq? QQ? QQ? QQ? QQ? dd? dd? dd? QQ? dd? "
    "ee? ee? ff? dd? dd? ee? ff? dd? dd? ee? ff? dd? ee? ee? "
    "ff? ff? ff? dd? dd? ff? ff? dd? dd? ff? ff? dd? ff? ff? "
    "dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? "
    "qq? bb? hh? ii? qq? BB? HH? II? QQ? ee? ff? dd? qq? dd? "
    "dd? dd? dd? dd? dd? dd? dd? dd? dd? ee? ff? dd? dd? dd? "
    ;
static const char resolve_LESS_EQUAL[] =
    "??? bb? hh? ii? qq? BB? HH? II? QQ? ee? ff? dd? qq? dd? "
    "bb? bb? hh? ii? qq? hh? ii? qq? qQ? ee? ff? dd? bb? dd? "
    "hh? hh? hh? ii? qq? hh? ii? qq? qQ? ff? ff? dd? hh? dd? "
    "ii? ii? ii? ii? qq? ii? ii? qq? qQ? dd? dd? dd? ii? dd? "
    "qq? qq? qq? qq? qq? qq? qq? qq? qQ? dd? dd? dd? qq? dd? "
    "BB? hh? hh? ii? qq? BB? HH? II? QQ? ee? ff? dd? BB? dd? "
    "HH? ii? ii? ii? qq? HH? HH? II? QQ? ff? ff? dd? HH? dd? "
    "II? qq? qq? qq? qq? II? II? II? QQ? dd? dd? dd? II? dd? "
    "QQ? Qq? Qq? Qq? Qq? QQ? QQ? QQ? QQ? dd? dd? dd? QQ? dd? "
    "ee? ee? ff? dd? dd? ee? ff? dd? dd? ee? ff? dd? ee? ee? "
    "ff? ff? ff? dd? dd? ff? ff? dd? dd? ff? ff? dd? ff? ff? "
    "dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? "
    "qq? bb? hh? ii? qq? BB? HH? II? QQ? ee? ff? dd? qq? dd? "
    "dd? dd? dd? dd? dd? dd? dd? dd? dd? ee? ff? dd? dd? dd? "
    ;
static const char resolve_GREATER[] =
    "??? bb? hh? ii? qq? BB? HH? II? QQ? ee? ff? dd? qq? dd? "
    "bb? bb? hh? ii? qq? hh? ii? qq? qQ? ee? ff? dd? bb? dd? "
    "hh? hh? hh? ii? qq? hh? ii? qq? qQ? ff? ff? dd? hh? dd? "
    "ii? ii? ii? ii? qq? ii? ii? qq? qQ? dd? dd? dd? ii? dd? "
    "qq? qq? qq? qq? qq? qq? qq? qq? qQ? dd? dd? dd? qq? dd? "
    "BB? hh? hh? ii? qq? BB? HH? II? QQ? ee? ff? dd? BB? dd? "
    "HH? ii? ii? ii? qq? HH? HH? II? QQ? ff? ff? dd? HH? dd? "
    "II? qq? qq? qq? qq? II? II? II? QQ? dd? dd? dd? II? dd? "
    "QQ? Qq? Qq? Qq? Qq? QQ? QQ? QQ? QQ? dd? dd? dd? QQ? dd? "
    "ee? ee? ff? dd? dd? ee? ff? dd? dd? ee? ff? dd? ee? ee? "
    "ff? ff? ff? dd? dd? ff? ff? dd? dd? ff? ff? dd? ff? ff? "
    "dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? "
    "qq? bb? hh? ii? qq? BB? HH? II? QQ? ee? ff? dd? qq? dd? "
    "dd? dd? dd? dd? dd? dd? dd? dd? dd? ee? ff? dd? dd? dd? "
    ;
static const char resolve_GREATER_EQUAL[] =
    "??? bb? hh? ii? qq? BB? HH? II? QQ? ee? ff? dd? qq? dd? "
    "bb? bb? hh? ii? qq? hh? ii? qq? qQ? ee? ff? dd? bb? dd? "
    "hh? hh? hh? ii? qq? hh? ii? qq? qQ? ff? ff? dd? hh? dd? "
    "ii? ii? ii? ii? qq? ii? ii? qq? qQ? dd? dd? dd? ii? dd? "
    "qq? qq? qq? qq? qq? qq? qq? qq? qQ? dd? dd? dd? qq? dd? "
    "BB? hh? hh? ii? qq? BB? HH? II? QQ? ee? ff? dd? BB? dd? "
    "HH? ii? ii? ii? qq? HH? HH? II? QQ? ff? ff? dd? HH? dd? "
    "II? qq? qq? qq? qq? II? II? II? QQ? dd? dd? dd? II? dd? "
    "QQ? Qq? Qq? Qq? Qq? QQ? QQ? QQ? QQ? dd? dd? dd? QQ? dd? "
    "ee? ee? ff? dd? dd? ee? ff? dd? dd? ee? ff? dd? ee? ee? "
    "ff? ff? ff? dd? dd? ff? ff? dd? dd? ff? ff? dd? ff? ff? "
    "dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? dd? "
    "qq? bb? hh? ii? qq? BB? HH? II? QQ? ee? ff? dd? qq? dd? "
    "dd? dd? dd? dd? dd? dd? dd? dd? dd? ee? ff? dd? dd? dd? "
    ;
static const char resolve_BITWISE_AND[] =
    "??? bbb hhh iii qqq BBB HHH III QQQ - - - qqq - "
    "bbb bbb hhh iii qqq hhh iii qqq - - - - bbb - "
    "hhh hhh hhh iii qqq hhh iii qqq - - - - hhh - "
    "iii iii iii iii qqq iii iii qqq - - - - iii - "
    "qqq qqq qqq qqq qqq qqq qqq qqq - - - - qqq - "
    "BBB hhh hhh iii qqq BBB HHH III QQQ - - - BBB - "
    "HHH iii iii iii qqq HHH HHH III QQQ - - - HHH - "
    "III qqq qqq qqq qqq III III III QQQ - - - III - "
    "QQQ - - - - QQQ QQQ QQQ QQQ - - - QQQ - "
    "- - - - - - - - - - - - - - "
    "- - - - - - - - - - - - - - "
    "- - - - - - - - - - - - - - "
    "qqq bbb hhh iii qqq BBB HHH III QQQ - - - qqq - "
    "- - - - - - - - - - - - - - "
    ;
static const char resolve_BITWISE_OR[] =
    "??? bbb hhh iii qqq BBB HHH III QQQ - - - qqq - "
    "bbb bbb hhh iii qqq hhh iii qqq - - - - bbb - "
    "hhh hhh hhh iii qqq hhh iii qqq - - - - hhh - "
    "iii iii iii iii qqq iii iii qqq - - - - iii - "
    "qqq qqq qqq qqq qqq qqq qqq qqq - - - - qqq - "
    "BBB hhh hhh iii qqq BBB HHH III QQQ - - - BBB - "
    "HHH iii iii iii qqq HHH HHH III QQQ - - - HHH - "
    "III qqq qqq qqq qqq III III III QQQ - - - III - "
    "QQQ - - - - QQQ QQQ QQQ QQQ - - - QQQ - "
    "- - - - - - - - - - - - - - "
    "- - - - - - - - - - - - - - "
    "- - - - - - - - - - - - - - "
    "qqq bbb hhh iii qqq BBB HHH III QQQ - - - qqq - "
    "- - - - - - - - - - - - - - "
    ;
static const char resolve_BITWISE_XOR[] =
    "??? bbb hhh iii qqq BBB HHH III QQQ - - - qqq - "
    "bbb bbb hhh iii qqq hhh iii qqq - - - - bbb - "
    "hhh hhh hhh iii qqq hhh iii qqq - - - - hhh - "
    "iii iii iii iii qqq iii iii qqq - - - - iii - "
    "qqq qqq qqq qqq qqq qqq qqq qqq - - - - qqq - "
    "BBB hhh hhh iii qqq BBB HHH III QQQ - - - BBB - "
    "HHH iii iii iii qqq HHH HHH III QQQ - - - HHH - "
    "III qqq qqq qqq qqq III III III QQQ - - - III - "
    "QQQ - - - - QQQ QQQ QQQ QQQ - - - QQQ - "
    "- - - - - - - - - - - - - - "
    "- - - - - - - - - - - - - - "
    "- - - - - - - - - - - - - - "
    "qqq bbb hhh iii qqq BBB HHH III QQQ - - - qqq - "
    "- - - - - - - - - - - - - - "
    ;
static const char resolve_LOGICAL_AND[] =
    "??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? "
    "??? bb? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? "
    "??? ??? hh? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? "
    "??? ??? ??? ii? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? "
    "??? ??? ??? ??? qq? ??? ??? ??? ??? ??? ??? ??? ??? ??? "
    "??? ??? ??? ??? ??? BB? ??? ??? ??? ??? ??? ??? ??? ??? "
    "??? ??? ??? ??? ??? ??? HH? ??? ??? ??? ??? ??? ??? ??? "
    "??? ??? ??? ??? ??? ??? ??? II? ??? ??? ??? ??? ??? ??? "
    "??? ??? ??? ??? ??? ??? ??? ??? QQ? ??? ??? ??? ??? ??? "
    "??? ??? ??? ??? ??? ??? ??? ??? ??? ee? ??? ??? ??? ??? "
    "??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ff? ??? ??? ??? "
    "??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? dd? ??? ??? "
    "??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? qq? ??? "
    "??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? "
    ;
static const char resolve_LOGICAL_OR[] =
    "??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? "
    "??? bb? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? "
    "??? ??? hh? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? "
    "??? ??? ??? ii? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? "
    "??? ??? ??? ??? qq? ??? ??? ??? ??? ??? ??? ??? ??? ??? "
    "??? ??? ??? ??? ??? BB? ??? ??? ??? ??? ??? ??? ??? ??? "
    "??? ??? ??? ??? ??? ??? HH? ??? ??? ??? ??? ??? ??? ??? "
    "??? ??? ??? ??? ??? ??? ??? II? ??? ??? ??? ??? ??? ??? "
    "??? ??? ??? ??? ??? ??? ??? ??? QQ? ??? ??? ??? ??? ??? "
    "??? ??? ??? ??? ??? ??? ??? ??? ??? ee? ??? ??? ??? ??? "
    "??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ff? ??? ??? ??? "
    "??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? dd? ??? ??? "
    "??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? qq? ??? "
    "??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? "
    ;
static const char resolve_LOGICAL_XOR[] =
    "??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? "
    "??? bb? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? "
    "??? ??? hh? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? "
    "??? ??? ??? ii? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? "
    "??? ??? ??? ??? qq? ??? ??? ??? ??? ??? ??? ??? ??? ??? "
    "??? ??? ??? ??? ??? BB? ??? ??? ??? ??? ??? ??? ??? ??? "
    "??? ??? ??? ??? ??? ??? HH? ??? ??? ??? ??? ??? ??? ??? "
    "??? ??? ??? ??? ??? ??? ??? II? ??? ??? ??? ??? ??? ??? "
    "??? ??? ??? ??? ??? ??? ??? ??? QQ? ??? ??? ??? ??? ??? "
    "??? ??? ??? ??? ??? ??? ??? ??? ??? ee? ??? ??? ??? ??? "
    "??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ff? ??? ??? ??? "
    "??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? dd? ??? ??? "
    "??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? qq? ??? "
    "??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? ??? "
    ;
static const char resolve_NEGATIVE[] =
    "- bb hh ii qq BB HH II QQ ee ff dd qq dd "
    ;
static const char resolve_POSITIVE[] =
    "- bb hh ii qq BB HH II QQ ee ff dd qq dd "
    ;
static const char resolve_ABSOLUTE[] =
    "?? bb hh ii qq BB HH II QQ ee ff dd qq dd "
    ;
static const char resolve_SIGN[] =
    "- bb hh ii qq BB HH II QQ ee ff dd qq dd "
    ;
static const char resolve_INVERT[] =
    "?? bb hh ii qq BB HH II QQ - - - qq - "
    ;
static const char resolve_LOGICAL_NOT[] =
    "?? b? h? i? q? B? H? I? Q? e? f? d? q? d? "
    ;
static const char resolve_SQRT[] =
    "ee ee ff dd dd ee ff dd dd ee ff dd dd dd "
    ;
static const char resolve_SQUARE[] =
    "bb bb hh ii qq BB HH II QQ ee ff dd qq dd "
    ;
static const char resolve_RECIPROCAL[] =
    "bb bb hh ii qq BB HH II QQ ee ff dd qq dd "
    ;
static const char resolve_EXP[] =
    "ee ee ff dd dd ee ff dd dd ee ff dd dd dd "
    ;
static const char resolve_EXPM1[] =
    "ee ee ff dd dd ee ff dd dd ee ff dd dd dd "
    ;
static const char resolve_LOG[] =
    "ee ee ff dd dd ee ff dd dd ee ff dd dd dd "
    ;
static const char resolve_LOG1P[] =
    "ee ee ff dd dd ee ff dd dd ee ff dd dd dd "
    ;
static const char resolve_LOG2[] =
    "ee ee ff dd dd ee ff dd dd ee ff dd dd dd "
    ;
static const char resolve_LOG10[] =
    "ee ee ff dd dd ee ff dd dd ee ff dd dd dd "
    ;
static const char resolve_SIN[] =
    "ee ee ff dd dd ee ff dd dd ee ff dd dd dd "
    ;
static const char resolve_COS[] =
    "ee ee ff dd dd ee ff dd dd ee ff dd dd dd "
    ;
static const char resolve_TAN[] =
    "ee ee ff dd dd ee ff dd dd ee ff dd dd dd "
    ;
static const char resolve_ARCSIN[] =
    "ee ee ff dd dd ee ff dd dd ee ff dd dd dd "
    ;
static const char resolve_ARCCOS[] =
    "ee ee ff dd dd ee ff dd dd ee ff dd dd dd "
    ;
static const char resolve_ARCTAN[] =
    "ee ee ff dd dd ee ff dd dd ee ff dd dd dd "
    ;
static const char resolve_SINH[] =
    "ee ee ff dd dd ee ff dd dd ee ff dd dd dd "
    ;
static const char resolve_COSH[] =
    "ee ee ff dd dd ee ff dd dd ee ff dd dd dd "
    ;
static const char resolve_TANH[] =
    "ee ee ff dd dd ee ff dd dd ee ff dd dd dd "
    ;
static const char resolve_EXP2[] =
    "ee ee ff dd dd ee ff dd dd ee ff dd dd dd "
    ;
static const char resolve_CBRT[] =
    "ee ee ff dd dd ee ff dd dd ee ff dd dd dd "
    ;
static const char resolve_ARCSINH[] =
    "ee ee ff dd dd ee ff dd dd ee ff dd dd dd "
    ;
static const char resolve_ARCCOSH[] =
    "ee ee ff dd dd ee ff dd dd ee ff dd dd dd "
    ;
static const char resolve_ARCTANH[] =
    "ee ee ff dd dd ee ff dd dd ee ff dd dd dd "
    ;
static const char resolve_LOGADDEXP[] =
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd ddd ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee ddd "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee ddd "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee eee "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff fff "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "ddd eee fff ddd ddd eee fff ddd ddd eee fff ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd eee fff ddd ddd ddd "
    ;
static const char resolve_LOGADDEXP2[] =
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd ddd ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee ddd "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee ddd "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee eee "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff fff "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "ddd eee fff ddd ddd eee fff ddd ddd eee fff ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd eee fff ddd ddd ddd "
    ;
static const char resolve_FMOD[] =
    "bbb bbb hhh iii qqq BBB HHH III QQQ eee fff ddd qqq ddd "
    "bbb bbb hhh iii qqq hhh iii qqq ddd eee fff ddd bbb ddd "
    "hhh hhh hhh iii qqq hhh iii qqq ddd fff fff ddd hhh ddd "
    "iii iii iii iii qqq iii iii qqq ddd ddd ddd ddd iii ddd "
    "qqq qqq qqq qqq qqq qqq qqq qqq ddd ddd ddd ddd qqq ddd "
    "BBB hhh hhh iii qqq BBB HHH III QQQ eee fff ddd BBB ddd "
    "HHH iii iii iii qqq HHH HHH III QQQ fff fff ddd HHH ddd "
    "III qqq qqq qqq qqq III III III QQQ ddd ddd ddd III ddd "
    "QQQ ddd ddd ddd ddd QQQ QQQ QQQ QQQ ddd ddd ddd QQQ ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee eee "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff fff "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "qqq bbb hhh iii qqq BBB HHH III QQQ eee fff ddd qqq ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd eee fff ddd ddd ddd "
    ;
static const char resolve_HEAVISIDE[] =
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd ddd ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee ddd "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee ddd "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee eee "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff fff "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "ddd eee fff ddd ddd eee fff ddd ddd eee fff ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd eee fff ddd ddd ddd "
    ;
static const char resolve_NEXTAFTER[] =
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd ddd ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee ddd "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee ddd "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "eee eee fff ddd ddd eee fff ddd ddd eee fff ddd eee eee "
    "fff fff fff ddd ddd fff fff ddd ddd fff fff ddd fff fff "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd ddd "
    "ddd eee fff ddd ddd eee fff ddd ddd eee fff ddd ddd ddd "
    "ddd ddd ddd ddd ddd ddd ddd ddd ddd eee fff ddd ddd ddd "
    ;
static const char resolve_LEFT_SHIFT[] =
    "bbb bbb hhh iii qqq BBB HHH III QQQ - - - qqq - "
    "bbb bbb hhh iii qqq hhh iii qqq - - - - bbb - "
    "hhh hhh hhh iii qqq hhh iii qqq - - - - hhh - "
    "iii iii iii iii qqq iii iii qqq - - - - iii - "
    "qqq qqq qqq qqq qqq qqq qqq qqq - - - - qqq - "
    "BBB hhh hhh iii qqq BBB HHH III QQQ - - - BBB - "
    "HHH iii iii iii qqq HHH HHH III QQQ - - - HHH - "
    "III qqq qqq qqq qqq III III III QQQ - - - III - "
    "QQQ - - - - QQQ QQQ QQQ QQQ - - - QQQ - "
    "- - - - - - - - - - - - - - "
    "- - - - - - - - - - - - - - "
    "- - - - - - - - - - - - - - "
    "qqq bbb hhh iii qqq BBB HHH III QQQ - - - qqq - "
    "- - - - - - - - - - - - - - "
    ;
static const char resolve_RIGHT_SHIFT[] =
    "bbb bbb hhh iii qqq BBB HHH III QQQ - - - qqq - "
    "bbb bbb hhh iii qqq hhh iii qqq - - - - bbb - "
    "hhh hhh hhh iii qqq hhh iii qqq - - - - hhh - "
    "iii iii iii iii qqq iii iii qqq - - - - iii - "
    "qqq qqq qqq qqq qqq qqq qqq qqq - - - - qqq - "
    "BBB hhh hhh iii qqq BBB HHH III QQQ - - - BBB - "
    "HHH iii iii iii qqq HHH HHH III QQQ - - - HHH - "
    "III qqq qqq qqq qqq III III III QQQ - - - III - "
    "QQQ - - - - QQQ QQQ QQQ QQQ - - - QQQ - "
    "- - - - - - - - - - - - - - "
    "- - - - - - - - - - - - - - "
    "- - - - - - - - - - - - - - "
    "qqq bbb hhh iii qqq BBB HHH III QQQ - - - qqq - "
    "- - - - - - - - - - - - - - "
    ;
static const char resolve_GCD[] =
    "- bbb hhh iii qqq BBB HHH III QQQ - - - qqq - "
    "bbb bbb hhh iii qqq hhh iii qqq - - - - bbb - "
    "hhh hhh hhh iii qqq hhh iii qqq - - - - hhh - "
    "iii iii iii iii qqq iii iii qqq - - - - iii - "
    "qqq qqq qqq qqq qqq qqq qqq qqq - - - - qqq - "
    "BBB hhh hhh iii qqq BBB HHH III QQQ - - - BBB - "
    "HHH iii iii iii qqq HHH HHH III QQQ - - - HHH - "
    "III qqq qqq qqq qqq III III III QQQ - - - III - "
    "QQQ - - - - QQQ QQQ QQQ QQQ - - - QQQ - "
    "- - - - - - - - - - - - - - "
    "- - - - - - - - - - - - - - "
    "- - - - - - - - - - - - - - "
    "qqq bbb hhh iii qqq BBB HHH III QQQ - - - qqq - "
    "- - - - - - - - - - - - - - "
    ;
static const char resolve_LCM[] =
    "- bbb hhh iii qqq BBB HHH III QQQ - - - qqq - "
    "bbb bbb hhh iii qqq hhh iii qqq - - - - bbb - "
    "hhh hhh hhh iii qqq hhh iii qqq - - - - hhh - "
    "iii iii iii iii qqq iii iii qqq - - - - iii - "
    "qqq qqq qqq qqq qqq qqq qqq qqq - - - - qqq - "
    "BBB hhh hhh iii qqq BBB HHH III QQQ - - - BBB - "
    "HHH iii iii iii qqq HHH HHH III QQQ - - - HHH - "
    "III qqq qqq qqq qqq III III III QQQ - - - III - "
    "QQQ - - - - QQQ QQQ QQQ QQQ - - - QQQ - "
    "- - - - - - - - - - - - - - "
    "- - - - - - - - - - - - - - "
    "- - - - - - - - - - - - - - "
    "qqq bbb hhh iii qqq BBB HHH III QQQ - - - qqq - "
    "- - - - - - - - - - - - - - "
    ;
static const char resolve_DEG2RAD[] =
    "ee ee ff dd dd ee ff dd dd ee ff dd dd dd "
    ;
static const char resolve_RAD2DEG[] =
    "ee ee ff dd dd ee ff dd dd ee ff dd dd dd "
    ;
static const char resolve_FLOOR[] =
    "?? bb hh ii qq BB HH II QQ ee ff dd qq dd "
    ;
static const char resolve_CEIL[] =
    "?? bb hh ii qq BB HH II QQ ee ff dd qq dd "
    ;
static const char resolve_TRUNC[] =
    "?? bb hh ii qq BB HH II QQ ee ff dd qq dd "
    ;
static const char resolve_RINT[] =
    "ee ee ff dd dd ee ff dd dd ee ff dd dd dd "
    ;
static const char resolve_ISNAN[] =
    "?? b? h? i? q? B? H? I? Q? e? f? d? q? d? "
    ;
static const char resolve_ISINF[] =
    "?? b? h? i? q? B? H? I? Q? e? f? d? q? d? "
    ;
static const char resolve_ISFINITE[] =
    "?? b? h? i? q? B? H? I? Q? e? f? d? q? d? "
    ;
static const char resolve_SIGNBIT[] =
    "e? e? f? d? d? e? f? d? d? e? f? d? d? d? "
    ;
static const char resolve_WHERE[] =
    "???? ?bbb ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?qqq ?ddd "
    "?bbb ?bbb ?hhh ?iii ?qqq ?hhh ?iii ?qqq ?ddd ?eee ?fff ?ddd ?bbb ?ddd "
    "?hhh ?hhh ?hhh ?iii ?qqq ?hhh ?iii ?qqq ?ddd ?fff ?fff ?ddd ?hhh ?ddd "
    "?iii ?iii ?iii ?iii ?qqq ?iii ?iii ?qqq ?ddd ?ddd ?ddd ?ddd ?iii ?ddd "
    "?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?ddd ?ddd ?ddd ?ddd ?qqq ?ddd "
    "?BBB ?hhh ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?BBB ?ddd "
    "?HHH ?iii ?iii ?iii ?qqq ?HHH ?HHH ?III ?QQQ ?fff ?fff ?ddd ?HHH ?ddd "
    "?III ?qqq ?qqq ?qqq ?qqq ?III ?III ?III ?QQQ ?ddd ?ddd ?ddd ?III ?ddd "
    "?QQQ ?ddd ?ddd ?ddd ?ddd ?QQQ ?QQQ ?QQQ ?QQQ ?ddd ?ddd ?ddd ?QQQ ?ddd "
    "?eee ?eee ?fff ?ddd ?ddd ?eee ?fff ?ddd ?ddd ?eee ?fff ?ddd ?eee ?eee "
    "?fff ?fff ?fff ?ddd ?ddd ?fff ?fff ?ddd ?ddd ?fff ?fff ?ddd ?fff ?fff "
    "?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd "
    "?qqq ?bbb ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?qqq ?ddd "
    "?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?eee ?fff ?ddd ?ddd ?ddd "
    "???? ?bbb ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?qqq ?ddd "
    "?bbb ?bbb ?hhh ?iii ?qqq ?hhh ?iii ?qqq ?ddd ?eee ?fff ?ddd ?bbb ?ddd "
    "?hhh ?hhh ?hhh ?iii ?qqq ?hhh ?iii ?qqq ?ddd ?fff ?fff ?ddd ?hhh ?ddd "
    "?iii ?iii ?iii ?iii ?qqq ?iii ?iii ?qqq ?ddd ?ddd ?ddd ?ddd ?iii ?ddd "
    "?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?ddd ?ddd ?ddd ?ddd ?qqq ?ddd "
    "?BBB ?hhh ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?BBB ?ddd "
    "?HHH ?iii ?iii ?iii ?qqq ?HHH ?HHH ?III ?QQQ ?fff ?fff ?ddd ?HHH ?ddd "
    "?III ?qqq ?qqq ?qqq ?qqq ?III ?III ?III ?QQQ ?ddd ?ddd ?ddd ?III ?ddd "
    "?QQQ ?ddd ?ddd ?ddd ?ddd ?QQQ ?QQQ ?QQQ ?QQQ ?ddd ?ddd ?ddd ?QQQ ?ddd "
    "?eee ?eee ?fff ?ddd ?ddd ?eee ?fff ?ddd ?ddd ?eee ?fff ?ddd ?eee ?eee "
    "?fff ?fff ?fff ?ddd ?ddd ?fff ?fff ?ddd ?ddd ?fff ?fff ?ddd ?fff ?fff "
    "?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd "
    "?qqq ?bbb ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?qqq ?ddd "
    "?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?eee ?fff ?ddd ?ddd ?ddd "
    "???? ?bbb ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?qqq ?ddd "
    "?bbb ?bbb ?hhh ?iii ?qqq ?hhh ?iii ?qqq ?ddd ?eee ?fff ?ddd ?bbb ?ddd "
    "?hhh ?hhh ?hhh ?iii ?qqq ?hhh ?iii ?qqq ?ddd ?fff ?fff ?ddd ?hhh ?ddd "
    "?iii ?iii ?iii ?iii ?qqq ?iii ?iii ?qqq ?ddd ?ddd ?ddd ?ddd ?iii ?ddd "
    "?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?ddd ?ddd ?ddd ?ddd ?qqq ?ddd "
    "?BBB ?hhh ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?BBB ?ddd "
    "?HHH ?iii ?iii ?iii ?qqq ?HHH ?HHH ?III ?QQQ ?fff ?fff ?ddd ?HHH ?ddd "
    "?III ?qqq ?qqq ?qqq ?qqq ?III ?III ?III ?QQQ ?ddd ?ddd ?ddd ?III ?ddd "
    "?QQQ ?ddd ?ddd ?ddd ?ddd ?QQQ ?QQQ ?QQQ ?QQQ ?ddd ?ddd ?ddd ?QQQ ?ddd "
    "?eee ?eee ?fff ?ddd ?ddd ?eee ?fff ?ddd ?ddd ?eee ?fff ?ddd ?eee ?eee "
    "?fff ?fff ?fff ?ddd ?ddd ?fff ?fff ?ddd ?ddd ?fff ?fff ?ddd ?fff ?fff "
    "?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd "
    "?qqq ?bbb ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?qqq ?ddd "
    "?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?eee ?fff ?ddd ?ddd ?ddd "
    "???? ?bbb ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?qqq ?ddd "
    "?bbb ?bbb ?hhh ?iii ?qqq ?hhh ?iii ?qqq ?ddd ?eee ?fff ?ddd ?bbb ?ddd "
    "?hhh ?hhh ?hhh ?iii ?qqq ?hhh ?iii ?qqq ?ddd ?fff ?fff ?ddd ?hhh ?ddd "
    "?iii ?iii ?iii ?iii ?qqq ?iii ?iii ?qqq ?ddd ?ddd ?ddd ?ddd ?iii ?ddd "
    "?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?ddd ?ddd ?ddd ?ddd ?qqq ?ddd "
    "?BBB ?hhh ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?BBB ?ddd "
    "?HHH ?iii ?iii ?iii ?qqq ?HHH ?HHH ?III ?QQQ ?fff ?fff ?ddd ?HHH ?ddd "
    "?III ?qqq ?qqq ?qqq ?qqq ?III ?III ?III ?QQQ ?ddd ?ddd ?ddd ?III ?ddd "
    "?QQQ ?ddd ?ddd ?ddd ?ddd ?QQQ ?QQQ ?QQQ ?QQQ ?ddd ?ddd ?ddd ?QQQ ?ddd "
    "?eee ?eee ?fff ?ddd ?ddd ?eee ?fff ?ddd ?ddd ?eee ?fff ?ddd ?eee ?eee "
    "?fff ?fff ?fff ?ddd ?ddd ?fff ?fff ?ddd ?ddd ?fff ?fff ?ddd ?fff ?fff "
    "?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd "
    "?qqq ?bbb ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?qqq ?ddd "
    "?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?eee ?fff ?ddd ?ddd ?ddd "
    "???? ?bbb ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?qqq ?ddd "
    "?bbb ?bbb ?hhh ?iii ?qqq ?hhh ?iii ?qqq ?ddd ?eee ?fff ?ddd ?bbb ?ddd "
    "?hhh ?hhh ?hhh ?iii ?qqq ?hhh ?iii ?qqq ?ddd ?fff ?fff ?ddd ?hhh ?ddd "
    "?iii ?iii ?iii ?iii ?qqq ?iii ?iii ?qqq ?ddd ?ddd ?ddd ?ddd ?iii ?ddd "
    "?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?ddd ?ddd ?ddd ?ddd ?qqq ?ddd "
    "?BBB ?hhh ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?BBB ?ddd "
    "?HHH ?iii ?iii ?iii ?qqq ?HHH ?HHH ?III ?QQQ ?fff ?fff ?ddd ?HHH ?ddd "
    "?III ?qqq ?qqq ?qqq ?qqq ?III ?III ?III ?QQQ ?ddd ?ddd ?ddd ?III ?ddd "
    "?QQQ ?ddd ?ddd ?ddd ?ddd ?QQQ ?QQQ ?QQQ ?QQQ ?ddd ?ddd ?ddd ?QQQ ?ddd "
    "?eee ?eee ?fff ?ddd ?ddd ?eee ?fff ?ddd ?ddd ?eee ?fff ?ddd ?eee ?eee "
    "?fff ?fff ?fff ?ddd ?ddd ?fff ?fff ?ddd ?ddd ?fff ?fff ?ddd ?fff ?fff "
    "?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd "
    "?qqq ?bbb ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?qqq ?ddd "
    "?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?eee ?fff ?ddd ?ddd ?ddd "
    "???? ?bbb ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?qqq ?ddd "
    "?bbb ?bbb ?hhh ?iii ?qqq ?hhh ?iii ?qqq ?ddd ?eee ?fff ?ddd ?bbb ?ddd "
    "?hhh ?hhh ?hhh ?iii ?qqq ?hhh ?iii ?qqq ?ddd ?fff ?fff ?ddd ?hhh ?ddd "
    "?iii ?iii ?iii ?iii ?qqq ?iii ?iii ?qqq ?ddd ?ddd ?ddd ?ddd ?iii ?ddd "
    "?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?ddd ?ddd ?ddd ?ddd ?qqq ?ddd "
    "?BBB ?hhh ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?BBB ?ddd "
    "?HHH ?iii ?iii ?iii ?qqq ?HHH ?HHH ?III ?QQQ ?fff ?fff ?ddd ?HHH ?ddd "
    "?III ?qqq ?qqq ?qqq ?qqq ?III ?III ?III ?QQQ ?ddd ?ddd ?ddd ?III ?ddd "
    "?QQQ ?ddd ?ddd ?ddd ?ddd ?QQQ ?QQQ ?QQQ ?QQQ ?ddd ?ddd ?ddd ?QQQ ?ddd "
    "?eee ?eee ?fff ?ddd ?ddd ?eee ?fff ?ddd ?ddd ?eee ?fff ?ddd ?eee ?eee "
    "?fff ?fff ?fff ?ddd ?ddd ?fff ?fff ?ddd ?ddd ?fff ?fff ?ddd ?fff ?fff "
    "?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd "
    "?qqq ?bbb ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?qqq ?ddd "
    "?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?eee ?fff ?ddd ?ddd ?ddd "
    "???? ?bbb ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?qqq ?ddd "
    "?bbb ?bbb ?hhh ?iii ?qqq ?hhh ?iii ?qqq ?ddd ?eee ?fff ?ddd ?bbb ?ddd "
    "?hhh ?hhh ?hhh ?iii ?qqq ?hhh ?iii ?qqq ?ddd ?fff ?fff ?ddd ?hhh ?ddd "
    "?iii ?iii ?iii ?iii ?qqq ?iii ?iii ?qqq ?ddd ?ddd ?ddd ?ddd ?iii ?ddd "
    "?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?ddd ?ddd ?ddd ?ddd ?qqq ?ddd "
    "?BBB ?hhh ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?BBB ?ddd "
    "?HHH ?iii ?iii ?iii ?qqq ?HHH ?HHH ?III ?QQQ ?fff ?fff ?ddd ?HHH ?ddd "
    "?III ?qqq ?qqq ?qqq ?qqq ?III ?III ?III ?QQQ ?ddd ?ddd ?ddd ?III ?ddd "
    "?QQQ ?ddd ?ddd ?ddd ?ddd ?QQQ ?QQQ ?QQQ ?QQQ ?ddd ?ddd ?ddd ?QQQ ?ddd "
    "?eee ?eee ?fff ?ddd ?ddd ?eee ?fff ?ddd ?ddd ?eee ?fff ?ddd ?eee ?eee "
    "?fff ?fff ?fff ?ddd ?ddd ?fff ?fff ?ddd ?ddd ?fff ?fff ?ddd ?fff ?fff "
    "?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd "
    "?qqq ?bbb ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?qqq ?ddd "
    "?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?eee ?fff ?ddd ?ddd ?ddd "
    "???? ?bbb ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?qqq ?ddd "
    "?bbb ?bbb ?hhh ?iii ?qqq ?hhh ?iii ?qqq ?ddd ?eee ?fff ?ddd ?bbb ?ddd "
    "?hhh ?hhh ?hhh ?iii ?qqq ?hhh ?iii ?qqq ?ddd ?fff ?fff ?ddd ?hhh ?ddd "
    "?iii ?iii ?iii ?iii ?qqq ?iii ?iii ?qqq ?ddd ?ddd ?ddd ?ddd ?iii ?ddd "
    "?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?ddd ?ddd ?ddd ?ddd ?qqq ?ddd "
    "?BBB ?hhh ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?BBB ?ddd "
    "?HHH ?iii ?iii ?iii ?qqq ?HHH ?HHH ?III ?QQQ ?fff ?fff ?ddd ?HHH ?ddd "
    "?III ?qqq ?qqq ?qqq ?qqq ?III ?III ?III ?QQQ ?ddd ?ddd ?ddd ?III ?ddd "
    "?QQQ ?ddd ?ddd ?ddd ?ddd ?QQQ ?QQQ ?QQQ ?QQQ ?ddd ?ddd ?ddd ?QQQ ?ddd "
    "?eee ?eee ?fff ?ddd ?ddd ?eee ?fff ?ddd ?ddd ?eee ?fff ?ddd ?eee ?eee "
    "?fff ?fff ?fff ?ddd ?ddd ?fff ?fff ?ddd ?ddd ?fff ?fff ?ddd ?fff ?fff "
    "?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd "
    "?qqq ?bbb ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?qqq ?ddd "
    "?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?eee ?fff ?ddd ?ddd ?ddd "
    "???? ?bbb ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?qqq ?ddd "
    "?bbb ?bbb ?hhh ?iii ?qqq ?hhh ?iii ?qqq ?ddd ?eee ?fff ?ddd ?bbb ?ddd "
    "?hhh ?hhh ?hhh ?iii ?qqq ?hhh ?iii ?qqq ?ddd ?fff ?fff ?ddd ?hhh ?ddd "
    "?iii ?iii ?iii ?iii ?qqq ?iii ?iii ?qqq ?ddd ?ddd ?ddd ?ddd ?iii ?ddd "
    "?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?ddd ?ddd ?ddd ?ddd ?qqq ?ddd "
    "?BBB ?hhh ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?BBB ?ddd "
    "?HHH ?iii ?iii ?iii ?qqq ?HHH ?HHH ?III ?QQQ ?fff ?fff ?ddd ?HHH ?ddd "
    "?III ?qqq ?qqq ?qqq ?qqq ?III ?III ?III ?QQQ ?ddd ?ddd ?ddd ?III ?ddd "
    "?QQQ ?ddd ?ddd ?ddd ?ddd ?QQQ ?QQQ ?QQQ ?QQQ ?ddd ?ddd ?ddd ?QQQ ?ddd "
    "?eee ?eee ?fff ?ddd ?ddd ?eee ?fff ?ddd ?ddd ?eee ?fff ?ddd ?eee ?eee "
    "?fff ?fff ?fff ?ddd ?ddd ?fff ?fff ?ddd ?ddd ?fff ?fff ?ddd ?fff ?fff "
    "?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd "
    "?qqq ?bbb ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?qqq ?ddd "
    "?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?eee ?fff ?ddd ?ddd ?ddd "
    "???? ?bbb ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?qqq ?ddd "
    "?bbb ?bbb ?hhh ?iii ?qqq ?hhh ?iii ?qqq ?ddd ?eee ?fff ?ddd ?bbb ?ddd "
    "?hhh ?hhh ?hhh ?iii ?qqq ?hhh ?iii ?qqq ?ddd ?fff ?fff ?ddd ?hhh ?ddd "
    "?iii ?iii ?iii ?iii ?qqq ?iii ?iii ?qqq ?ddd ?ddd ?ddd ?ddd ?iii ?ddd "
    "?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?ddd ?ddd ?ddd ?ddd ?qqq ?ddd "
    "?BBB ?hhh ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?BBB ?ddd "
    "?HHH ?iii ?iii ?iii ?qqq ?HHH ?HHH ?III ?QQQ ?fff ?fff ?ddd ?HHH ?ddd "
    "?III ?qqq ?qqq ?qqq ?qqq ?III ?III ?III ?QQQ ?ddd ?ddd ?ddd ?III ?ddd "
    "?QQQ ?ddd ?ddd ?ddd ?ddd ?QQQ ?QQQ ?QQQ ?QQQ ?ddd ?ddd ?ddd ?QQQ ?ddd "
    "?eee ?eee ?fff ?ddd ?ddd ?eee ?fff ?ddd ?ddd ?eee ?fff ?ddd ?eee ?eee "
    "?fff ?fff ?fff ?ddd ?ddd ?fff ?fff ?ddd ?ddd ?fff ?fff ?ddd ?fff ?fff "
    "?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd "
    "?qqq ?bbb ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?qqq ?ddd "
    "?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?eee ?fff ?ddd ?ddd ?ddd "
    "???? ?bbb ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?qqq ?ddd "
    "?bbb ?bbb ?hhh ?iii ?qqq ?hhh ?iii ?qqq ?ddd ?eee ?fff ?ddd ?bbb ?ddd "
    "?hhh ?hhh ?hhh ?iii ?qqq ?hhh ?iii ?qqq ?ddd ?fff ?fff ?ddd ?hhh ?ddd "
    "?iii ?iii ?iii ?iii ?qqq ?iii ?iii ?qqq ?ddd ?ddd ?ddd ?ddd ?iii ?ddd "
    "?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?ddd ?ddd ?ddd ?ddd ?qqq ?ddd "
    "?BBB ?hhh ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?BBB ?ddd "
    "?HHH ?iii ?iii ?iii ?qqq ?HHH ?HHH ?III ?QQQ ?fff ?fff ?ddd ?HHH ?ddd "
    "?III ?qqq ?qqq ?qqq ?qqq ?III ?III ?III ?QQQ ?ddd ?ddd ?ddd ?III ?ddd "
    "?QQQ ?ddd ?ddd ?ddd ?ddd ?QQQ ?QQQ ?QQQ ?QQQ ?ddd ?ddd ?ddd ?QQQ ?ddd "
    "?eee ?eee ?fff ?ddd ?ddd ?eee ?fff ?ddd ?ddd ?eee ?fff ?ddd ?eee ?eee "
    "?fff ?fff ?fff ?ddd ?ddd ?fff ?fff ?ddd ?ddd ?fff ?fff ?ddd ?fff ?fff "
    "?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd "
    "?qqq ?bbb ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?qqq ?ddd "
    "?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?eee ?fff ?ddd ?ddd ?ddd "
    "???? ?bbb ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?qqq ?ddd "
    "?bbb ?bbb ?hhh ?iii ?qqq ?hhh ?iii ?qqq ?ddd ?eee ?fff ?ddd ?bbb ?ddd "
    "?hhh ?hhh ?hhh ?iii ?qqq ?hhh ?iii ?qqq ?ddd ?fff ?fff ?ddd ?hhh ?ddd "
    "?iii ?iii ?iii ?iii ?qqq ?iii ?iii ?qqq ?ddd ?ddd ?ddd ?ddd ?iii ?ddd "
    "?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?ddd ?ddd ?ddd ?ddd ?qqq ?ddd "
    "?BBB ?hhh ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?BBB ?ddd "
    "?HHH ?iii ?iii ?iii ?qqq ?HHH ?HHH ?III ?QQQ ?fff ?fff ?ddd ?HHH ?ddd "
    "?III ?qqq ?qqq ?qqq ?qqq ?III ?III ?III ?QQQ ?ddd ?ddd ?ddd ?III ?ddd "
    "?QQQ ?ddd ?ddd ?ddd ?ddd ?QQQ ?QQQ ?QQQ ?QQQ ?ddd ?ddd ?ddd ?QQQ ?ddd "
    "?eee ?eee ?fff ?ddd ?ddd ?eee ?fff ?ddd ?ddd ?eee ?fff ?ddd ?eee ?eee "
    "?fff ?fff ?fff ?ddd ?ddd ?fff ?fff ?ddd ?ddd ?fff ?fff ?ddd ?fff ?fff "
    "?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd "
    "?qqq ?bbb ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?qqq ?ddd "
    "?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?eee ?fff ?ddd ?ddd ?ddd "
    "???? ?bbb ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?qqq ?ddd "
    "?bbb ?bbb ?hhh ?iii ?qqq ?hhh ?iii ?qqq ?ddd ?eee ?fff ?ddd ?bbb ?ddd "
    "?hhh ?hhh ?hhh ?iii ?qqq ?hhh ?iii ?qqq ?ddd ?fff ?fff ?ddd ?hhh ?ddd "
    "?iii ?iii ?iii ?iii ?qqq ?iii ?iii ?qqq ?ddd ?ddd ?ddd ?ddd ?iii ?ddd "
    "?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?ddd ?ddd ?ddd ?ddd ?qqq ?ddd "
    "?BBB ?hhh ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?BBB ?ddd "
    "?HHH ?iii ?iii ?iii ?qqq ?HHH ?HHH ?III ?QQQ ?fff ?fff ?ddd ?HHH ?ddd "
    "?III ?qqq ?qqq ?qqq ?qqq ?III ?III ?III ?QQQ ?ddd ?ddd ?ddd ?III ?ddd "
    "?QQQ ?ddd ?ddd ?ddd ?ddd ?QQQ ?QQQ ?QQQ ?QQQ ?ddd ?ddd ?ddd ?QQQ ?ddd "
    "?eee ?eee ?fff ?ddd ?ddd ?eee ?fff ?ddd ?ddd ?eee ?fff ?ddd ?eee ?eee "
    "?fff ?fff ?fff ?ddd ?ddd ?fff ?fff ?ddd ?ddd ?fff ?fff ?ddd ?fff ?fff "
    "?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd "
    "?qqq ?bbb ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?qqq ?ddd "
    "?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?eee ?fff ?ddd ?ddd ?ddd "
    "???? ?bbb ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?qqq ?ddd "
    "?bbb ?bbb ?hhh ?iii ?qqq ?hhh ?iii ?qqq ?ddd ?eee ?fff ?ddd ?bbb ?ddd "
    "?hhh ?hhh ?hhh ?iii ?qqq ?hhh ?iii ?qqq ?ddd ?fff ?fff ?ddd ?hhh ?ddd "
    "?iii ?iii ?iii ?iii ?qqq ?iii ?iii ?qqq ?ddd ?ddd ?ddd ?ddd ?iii ?ddd "
    "?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?qqq ?ddd ?ddd ?ddd ?ddd ?qqq ?ddd "
    "?BBB ?hhh ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?BBB ?ddd "
    "?HHH ?iii ?iii ?iii ?qqq ?HHH ?HHH ?III ?QQQ ?fff ?fff ?ddd ?HHH ?ddd "
    "?III ?qqq ?qqq ?qqq ?qqq ?III ?III ?III ?QQQ ?ddd ?ddd ?ddd ?III ?ddd "
    "?QQQ ?ddd ?ddd ?ddd ?ddd ?QQQ ?QQQ ?QQQ ?QQQ ?ddd ?ddd ?ddd ?QQQ ?ddd "
    "?eee ?eee ?fff ?ddd ?ddd ?eee ?fff ?ddd ?ddd ?eee ?fff ?ddd ?eee ?eee "
    "?fff ?fff ?fff ?ddd ?ddd ?fff ?fff ?ddd ?ddd ?fff ?fff ?ddd ?fff ?fff "
    "?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd "
    "?qqq ?bbb ?hhh ?iii ?qqq ?BBB ?HHH ?III ?QQQ ?eee ?fff ?ddd ?qqq ?ddd "
    "?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?ddd ?eee ?fff ?ddd ?ddd ?ddd "
    ;
static const char resolve_CLIP[] =
    "???? bbbb hhhh iiii qqqq BBBB HHHH IIII QQQQ eeee ffff dddd qqqq dddd "
    "bbbb bbbb hhhh iiii qqqq hhhh iiii qqqq dddd eeee ffff dddd bbbb dddd "
    "hhhh hhhh hhhh iiii qqqq hhhh iiii qqqq dddd ffff ffff dddd hhhh dddd "
    "iiii iiii iiii iiii qqqq iiii iiii qqqq dddd dddd dddd dddd iiii dddd "
    "qqqq qqqq qqqq qqqq qqqq qqqq qqqq qqqq dddd dddd dddd dddd qqqq dddd "
    "BBBB hhhh hhhh iiii qqqq BBBB HHHH IIII QQQQ eeee ffff dddd BBBB dddd "
    "HHHH iiii iiii iiii qqqq HHHH HHHH IIII QQQQ ffff ffff dddd HHHH dddd "
    "IIII qqqq qqqq qqqq qqqq IIII IIII IIII QQQQ dddd dddd dddd IIII dddd "
    "QQQQ dddd dddd dddd dddd QQQQ QQQQ QQQQ QQQQ dddd dddd dddd QQQQ dddd "
    "eeee eeee ffff dddd dddd eeee ffff dddd dddd eeee ffff dddd eeee eeee "
    "ffff ffff ffff dddd dddd ffff ffff dddd dddd ffff ffff dddd ffff ffff "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "qqqq bbbb hhhh iiii qqqq BBBB HHHH IIII QQQQ eeee ffff dddd qqqq dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd eeee ffff dddd dddd dddd "
    "bbbb bbbb hhhh iiii qqqq hhhh iiii qqqq dddd eeee ffff dddd bbbb dddd "
    "bbbb bbbb hhhh iiii qqqq hhhh iiii qqqq dddd eeee ffff dddd bbbb dddd "
    "hhhh hhhh hhhh iiii qqqq hhhh iiii qqqq dddd ffff ffff dddd hhhh dddd "
    "iiii iiii iiii iiii qqqq iiii iiii qqqq dddd dddd dddd dddd iiii dddd "
    "qqqq qqqq qqqq qqqq qqqq qqqq qqqq qqqq dddd dddd dddd dddd qqqq dddd "
    "hhhh hhhh hhhh iiii qqqq hhhh iiii qqqq dddd eeee ffff dddd hhhh dddd "
    "iiii iiii iiii iiii qqqq iiii iiii qqqq dddd ffff ffff dddd iiii dddd "
    "qqqq qqqq qqqq qqqq qqqq qqqq qqqq qqqq dddd dddd dddd dddd qqqq dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "eeee eeee ffff dddd dddd eeee ffff dddd dddd eeee ffff dddd eeee eeee "
    "ffff ffff ffff dddd dddd ffff ffff dddd dddd ffff ffff dddd ffff ffff "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "bbbb bbbb hhhh iiii qqqq hhhh iiii qqqq dddd eeee ffff dddd bbbb dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd eeee ffff dddd dddd dddd "
    "hhhh hhhh hhhh iiii qqqq hhhh iiii qqqq dddd ffff ffff dddd hhhh dddd "
    "hhhh hhhh hhhh iiii qqqq hhhh iiii qqqq dddd ffff ffff dddd hhhh dddd "
    "hhhh hhhh hhhh iiii qqqq hhhh iiii qqqq dddd ffff ffff dddd hhhh dddd "
    "iiii iiii iiii iiii qqqq iiii iiii qqqq dddd dddd dddd dddd iiii dddd "
    "qqqq qqqq qqqq qqqq qqqq qqqq qqqq qqqq dddd dddd dddd dddd qqqq dddd "
    "hhhh hhhh hhhh iiii qqqq hhhh iiii qqqq dddd ffff ffff dddd hhhh dddd "
    "iiii iiii iiii iiii qqqq iiii iiii qqqq dddd ffff ffff dddd iiii dddd "
    "qqqq qqqq qqqq qqqq qqqq qqqq qqqq qqqq dddd dddd dddd dddd qqqq dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "ffff ffff ffff dddd dddd ffff ffff dddd dddd ffff ffff dddd ffff ffff "
    "ffff ffff ffff dddd dddd ffff ffff dddd dddd ffff ffff dddd ffff ffff "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "hhhh hhhh hhhh iiii qqqq hhhh iiii qqqq dddd ffff ffff dddd hhhh dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd ffff ffff dddd dddd dddd "
    "iiii iiii iiii iiii qqqq iiii iiii qqqq dddd dddd dddd dddd iiii dddd "
    "iiii iiii iiii iiii qqqq iiii iiii qqqq dddd dddd dddd dddd iiii dddd "
    "iiii iiii iiii iiii qqqq iiii iiii qqqq dddd dddd dddd dddd iiii dddd "
    "iiii iiii iiii iiii qqqq iiii iiii qqqq dddd dddd dddd dddd iiii dddd "
    "qqqq qqqq qqqq qqqq qqqq qqqq qqqq qqqq dddd dddd dddd dddd qqqq dddd "
    "iiii iiii iiii iiii qqqq iiii iiii qqqq dddd dddd dddd dddd iiii dddd "
    "iiii iiii iiii iiii qqqq iiii iiii qqqq dddd dddd dddd dddd iiii dddd "
    "qqqq qqqq qqqq qqqq qqqq qqqq qqqq qqqq dddd dddd dddd dddd qqqq dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "iiii iiii iiii iiii qqqq iiii iiii qqqq dddd dddd dddd dddd iiii dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "qqqq qqqq qqqq qqqq qqqq qqqq qqqq qqqq dddd dddd dddd dddd qqqq dddd "
    "qqqq qqqq qqqq qqqq qqqq qqqq qqqq qqqq dddd dddd dddd dddd qqqq dddd "
    "qqqq qqqq qqqq qqqq qqqq qqqq qqqq qqqq dddd dddd dddd dddd qqqq dddd "
    "qqqq qqqq qqqq qqqq qqqq qqqq qqqq qqqq dddd dddd dddd dddd qqqq dddd "
    "qqqq qqqq qqqq qqqq qqqq qqqq qqqq qqqq dddd dddd dddd dddd qqqq dddd "
    "qqqq qqqq qqqq qqqq qqqq qqqq qqqq qqqq dddd dddd dddd dddd qqqq dddd "
    "qqqq qqqq qqqq qqqq qqqq qqqq qqqq qqqq dddd dddd dddd dddd qqqq dddd "
    "qqqq qqqq qqqq qqqq qqqq qqqq qqqq qqqq dddd dddd dddd dddd qqqq dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "qqqq qqqq qqqq qqqq qqqq qqqq qqqq qqqq dddd dddd dddd dddd qqqq dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "BBBB hhhh hhhh iiii qqqq BBBB HHHH IIII QQQQ eeee ffff dddd BBBB dddd "
    "hhhh hhhh hhhh iiii qqqq hhhh iiii qqqq dddd eeee ffff dddd hhhh dddd "
    "hhhh hhhh hhhh iiii qqqq hhhh iiii qqqq dddd ffff ffff dddd hhhh dddd "
    "iiii iiii iiii iiii qqqq iiii iiii qqqq dddd dddd dddd dddd iiii dddd "
    "qqqq qqqq qqqq qqqq qqqq qqqq qqqq qqqq dddd dddd dddd dddd qqqq dddd "
    "BBBB hhhh hhhh iiii qqqq BBBB HHHH IIII QQQQ eeee ffff dddd BBBB dddd "
    "HHHH iiii iiii iiii qqqq HHHH HHHH IIII QQQQ ffff ffff dddd HHHH dddd "
    "IIII qqqq qqqq qqqq qqqq IIII IIII IIII QQQQ dddd dddd dddd IIII dddd "
    "QQQQ dddd dddd dddd dddd QQQQ QQQQ QQQQ QQQQ dddd dddd dddd QQQQ dddd "
    "eeee eeee ffff dddd dddd eeee ffff dddd dddd eeee ffff dddd eeee eeee "
    "ffff ffff ffff dddd dddd ffff ffff dddd dddd ffff ffff dddd ffff ffff "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "BBBB hhhh hhhh iiii qqqq BBBB HHHH IIII QQQQ eeee ffff dddd BBBB dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd eeee ffff dddd dddd dddd "
    "HHHH iiii iiii iiii qqqq HHHH HHHH IIII QQQQ ffff ffff dddd HHHH dddd "
    "iiii iiii iiii iiii qqqq iiii iiii qqqq dddd ffff ffff dddd iiii dddd "
    "iiii iiii iiii iiii qqqq iiii iiii qqqq dddd ffff ffff dddd iiii dddd "
    "iiii iiii iiii iiii qqqq iiii iiii qqqq dddd dddd dddd dddd iiii dddd "
    "qqqq qqqq qqqq qqqq qqqq qqqq qqqq qqqq dddd dddd dddd dddd qqqq dddd "
    "HHHH iiii iiii iiii qqqq HHHH HHHH IIII QQQQ ffff ffff dddd HHHH dddd "
    "HHHH iiii iiii iiii qqqq HHHH HHHH IIII QQQQ ffff ffff dddd HHHH dddd "
    "IIII qqqq qqqq qqqq qqqq IIII IIII IIII QQQQ dddd dddd dddd IIII dddd "
    "QQQQ dddd dddd dddd dddd QQQQ QQQQ QQQQ QQQQ dddd dddd dddd QQQQ dddd "
    "ffff ffff ffff dddd dddd ffff ffff dddd dddd ffff ffff dddd ffff ffff "
    "ffff ffff ffff dddd dddd ffff ffff dddd dddd ffff ffff dddd ffff ffff "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "HHHH iiii iiii iiii qqqq HHHH HHHH IIII QQQQ ffff ffff dddd HHHH dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd ffff ffff dddd dddd dddd "
    "IIII qqqq qqqq qqqq qqqq IIII IIII IIII QQQQ dddd dddd dddd IIII dddd "
    "qqqq qqqq qqqq qqqq qqqq qqqq qqqq qqqq dddd dddd dddd dddd qqqq dddd "
    "qqqq qqqq qqqq qqqq qqqq qqqq qqqq qqqq dddd dddd dddd dddd qqqq dddd "
    "qqqq qqqq qqqq qqqq qqqq qqqq qqqq qqqq dddd dddd dddd dddd qqqq dddd "
    "qqqq qqqq qqqq qqqq qqqq qqqq qqqq qqqq dddd dddd dddd dddd qqqq dddd "
    "IIII qqqq qqqq qqqq qqqq IIII IIII IIII QQQQ dddd dddd dddd IIII dddd "
    "IIII qqqq qqqq qqqq qqqq IIII IIII IIII QQQQ dddd dddd dddd IIII dddd "
    "IIII qqqq qqqq qqqq qqqq IIII IIII IIII QQQQ dddd dddd dddd IIII dddd "
    "QQQQ dddd dddd dddd dddd QQQQ QQQQ QQQQ QQQQ dddd dddd dddd QQQQ dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "IIII qqqq qqqq qqqq qqqq IIII IIII IIII QQQQ dddd dddd dddd IIII dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "QQQQ dddd dddd dddd dddd QQQQ QQQQ QQQQ QQQQ dddd dddd dddd QQQQ dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "QQQQ dddd dddd dddd dddd QQQQ QQQQ QQQQ QQQQ dddd dddd dddd QQQQ dddd "
    "QQQQ dddd dddd dddd dddd QQQQ QQQQ QQQQ QQQQ dddd dddd dddd QQQQ dddd "
    "QQQQ dddd dddd dddd dddd QQQQ QQQQ QQQQ QQQQ dddd dddd dddd QQQQ dddd "
    "QQQQ dddd dddd dddd dddd QQQQ QQQQ QQQQ QQQQ dddd dddd dddd QQQQ dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "QQQQ dddd dddd dddd dddd QQQQ QQQQ QQQQ QQQQ dddd dddd dddd QQQQ dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "eeee eeee ffff dddd dddd eeee ffff dddd dddd eeee ffff dddd eeee eeee "
    "eeee eeee ffff dddd dddd eeee ffff dddd dddd eeee ffff dddd eeee eeee "
    "ffff ffff ffff dddd dddd ffff ffff dddd dddd ffff ffff dddd ffff ffff "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "eeee eeee ffff dddd dddd eeee ffff dddd dddd eeee ffff dddd eeee eeee "
    "ffff ffff ffff dddd dddd ffff ffff dddd dddd ffff ffff dddd ffff ffff "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "eeee eeee ffff dddd dddd eeee ffff dddd dddd eeee ffff dddd eeee eeee "
    "ffff ffff ffff dddd dddd ffff ffff dddd dddd ffff ffff dddd ffff ffff "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "eeee eeee ffff dddd dddd eeee ffff dddd dddd eeee ffff dddd eeee eeee "
    "eeee eeee ffff dddd dddd eeee ffff dddd dddd eeee ffff dddd eeee eeee "
    "ffff ffff ffff dddd dddd ffff ffff dddd dddd ffff ffff dddd ffff ffff "
    "ffff ffff ffff dddd dddd ffff ffff dddd dddd ffff ffff dddd ffff ffff "
    "ffff ffff ffff dddd dddd ffff ffff dddd dddd ffff ffff dddd ffff ffff "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "ffff ffff ffff dddd dddd ffff ffff dddd dddd ffff ffff dddd ffff ffff "
    "ffff ffff ffff dddd dddd ffff ffff dddd dddd ffff ffff dddd ffff ffff "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "ffff ffff ffff dddd dddd ffff ffff dddd dddd ffff ffff dddd ffff ffff "
    "ffff ffff ffff dddd dddd ffff ffff dddd dddd ffff ffff dddd ffff ffff "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "ffff ffff ffff dddd dddd ffff ffff dddd dddd ffff ffff dddd ffff ffff "
    "ffff ffff ffff dddd dddd ffff ffff dddd dddd ffff ffff dddd ffff ffff "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "qqqq bbbb hhhh iiii qqqq BBBB HHHH IIII QQQQ eeee ffff dddd qqqq dddd "
    "bbbb bbbb hhhh iiii qqqq hhhh iiii qqqq dddd eeee ffff dddd bbbb dddd "
    "hhhh hhhh hhhh iiii qqqq hhhh iiii qqqq dddd ffff ffff dddd hhhh dddd "
    "iiii iiii iiii iiii qqqq iiii iiii qqqq dddd dddd dddd dddd iiii dddd "
    "qqqq qqqq qqqq qqqq qqqq qqqq qqqq qqqq dddd dddd dddd dddd qqqq dddd "
    "BBBB hhhh hhhh iiii qqqq BBBB HHHH IIII QQQQ eeee ffff dddd BBBB dddd "
    "HHHH iiii iiii iiii qqqq HHHH HHHH IIII QQQQ ffff ffff dddd HHHH dddd "
    "IIII qqqq qqqq qqqq qqqq IIII IIII IIII QQQQ dddd dddd dddd IIII dddd "
    "QQQQ dddd dddd dddd dddd QQQQ QQQQ QQQQ QQQQ dddd dddd dddd QQQQ dddd "
    "eeee eeee ffff dddd dddd eeee ffff dddd dddd eeee ffff dddd eeee eeee "
    "ffff ffff ffff dddd dddd ffff ffff dddd dddd ffff ffff dddd ffff ffff "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "qqqq bbbb hhhh iiii qqqq BBBB HHHH IIII QQQQ eeee ffff dddd qqqq dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd eeee ffff dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd eeee ffff dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd eeee ffff dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd ffff ffff dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd eeee ffff dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd ffff ffff dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "eeee eeee ffff dddd dddd eeee ffff dddd dddd eeee ffff dddd eeee eeee "
    "ffff ffff ffff dddd dddd ffff ffff dddd dddd ffff ffff dddd ffff ffff "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd eeee ffff dddd dddd dddd "
    "dddd dddd dddd dddd dddd dddd dddd dddd dddd eeee ffff dddd dddd dddd "
    ;
static const struct { cr_map_op op; const char *words; } resolved[] = {
    {CR_MAP_ADD, resolve_ADD},
    {CR_MAP_SUBTRACT, resolve_SUBTRACT},
    {CR_MAP_MULTIPLY, resolve_MULTIPLY},
    {CR_MAP_DIVIDE, resolve_DIVIDE},
    {CR_MAP_FLOOR_DIVIDE, resolve_FLOOR_DIVIDE},
    {CR_MAP_REMAINDER, resolve_REMAINDER},
    {CR_MAP_POWER, resolve_POWER},
    {CR_MAP_MAXIMUM, resolve_MAXIMUM},
    {CR_MAP_MINIMUM, resolve_MINIMUM},
    {CR_MAP_FMAX, resolve_FMAX},
    {CR_MAP_FMIN, resolve_FMIN},
    {CR_MAP_ARCTAN2, resolve_ARCTAN2},
    {CR_MAP_HYPOT, resolve_HYPOT},
    {CR_MAP_COPYSIGN, resolve_COPYSIGN},
    {CR_MAP_EQUAL, resolve_EQUAL},
    {CR_MAP_NOT_EQUAL, resolve_NOT_EQUAL},
    {CR_MAP_LESS, resolve_LESS},
    {CR_MAP_LESS_EQUAL, resolve_LESS_EQUAL},
    {CR_MAP_GREATER, resolve_GREATER},
    {CR_MAP_GREATER_EQUAL, resolve_GREATER_EQUAL},
    {CR_MAP_BITWISE_AND, resolve_BITWISE_AND},
    {CR_MAP_BITWISE_OR, resolve_BITWISE_OR},
    {CR_MAP_BITWISE_XOR, resolve_BITWISE_XOR},
    {CR_MAP_LOGICAL_AND, resolve_LOGICAL_AND},
    {CR_MAP_LOGICAL_OR, resolve_LOGICAL_OR},
    {CR_MAP_LOGICAL_XOR, resolve_LOGICAL_XOR},
    {CR_MAP_NEGATIVE, resolve_NEGATIVE},
    {CR_MAP_POSITIVE, resolve_POSITIVE},
    {CR_MAP_ABSOLUTE, resolve_ABSOLUTE},
    {CR_MAP_SIGN, resolve_SIGN},
    {CR_MAP_INVERT, resolve_INVERT},
    {CR_MAP_LOGICAL_NOT, resolve_LOGICAL_NOT},
    {CR_MAP_SQRT, resolve_SQRT},
    {CR_MAP_SQUARE, resolve_SQUARE},
    {CR_MAP_RECIPROCAL, resolve_RECIPROCAL},
    {CR_MAP_EXP, resolve_EXP},
    {CR_MAP_EXPM1, resolve_EXPM1},
    {CR_MAP_LOG, resolve_LOG},
    {CR_MAP_LOG1P, resolve_LOG1P},
    {CR_MAP_LOG2, resolve_LOG2},
    {CR_MAP_LOG10, resolve_LOG10},
    {CR_MAP_SIN, resolve_SIN},
    {CR_MAP_COS, resolve_COS},
    {CR_MAP_TAN, resolve_TAN},
    {CR_MAP_ARCSIN, resolve_ARCSIN},
    {CR_MAP_ARCCOS, resolve_ARCCOS},
    {CR_MAP_ARCTAN, resolve_ARCTAN},
    {CR_MAP_SINH, resolve_SINH},
    {CR_MAP_COSH, resolve_COSH},
    {CR_MAP_TANH, resolve_TANH},
    {CR_MAP_EXP2, resolve_EXP2},
    {CR_MAP_CBRT, resolve_CBRT},
    {CR_MAP_ARCSINH, resolve_ARCSINH},
    {CR_MAP_ARCCOSH, resolve_ARCCOSH},
    {CR_MAP_ARCTANH, resolve_ARCTANH},
    {CR_MAP_LOGADDEXP, resolve_LOGADDEXP},
    {CR_MAP_LOGADDEXP2, resolve_LOGADDEXP2},
    {CR_MAP_FMOD, resolve_FMOD},
    {CR_MAP_HEAVISIDE, resolve_HEAVISIDE},
    {CR_MAP_NEXTAFTER, resolve_NEXTAFTER},
    {CR_MAP_LEFT_SHIFT, resolve_LEFT_SHIFT},
    {CR_MAP_RIGHT_SHIFT, resolve_RIGHT_SHIFT},
    {CR_MAP_GCD, resolve_GCD},
    {CR_MAP_LCM, resolve_LCM},
    {CR_MAP_DEG2RAD, resolve_DEG2RAD},
    {CR_MAP_RAD2DEG, resolve_RAD2DEG},
    {CR_MAP_FLOOR, resolve_FLOOR},
    {CR_MAP_CEIL, resolve_CEIL},
    {CR_MAP_TRUNC, resolve_TRUNC},
    {CR_MAP_RINT, resolve_RINT},
    {CR_MAP_ISNAN, resolve_ISNAN},
    {CR_MAP_ISINF, resolve_ISINF},
    {CR_MAP_ISFINITE, resolve_ISFINITE},
    {CR_MAP_SIGNBIT, resolve_SIGNBIT},
    {CR_MAP_WHERE, resolve_WHERE},
    {CR_MAP_CLIP, resolve_CLIP},
};

/* astype of float64 and float32 to every type, as the bits of the result; NaN as all ones. */
static const double cast_values[] = {0x0.0p+0, -0x0.0p+0, 0x1.0000000000000p-1, -0x1.0000000000000p-1, 0x1.8000000000000p+0, -0x1.8000000000000p+0, 0x1.ff9999999999ap+6, 0x1.0000000000000p+7, -0x1.0200000000000p+7, 0x1.fe00000000000p+7, 0x1.0080000000000p+8, 0x1.0000000000000p+15, -0x1.0002000000000p+15, 0x1.fffe000000000p+15, 0x1.0000000000000p+16, 0x1.1170000000000p+16, 0x1.fffffffc00000p+30, 0x1.0000000000000p+31, -0x1.0000000000000p+31, -0x1.0000000200000p+31, 0x1.fffffffe00000p+31, 0x1.0000000000000p+32, 0x1.0000000000000p+62, 0x1.0000000000000p+63, 0x1.0000000000001p+63, -0x1.0000000000000p+63, -0x1.8000000000000p+63, 0x1.0000000000000p+64, 0x1.158e460913d00p+63, 0x1.7e43c8800759cp+996, -0x1.7e43c8800759cp+996, INFINITY, -INFINITY, NAN, 0x1.5798ee2308c3ap-27, 0x1.01b2b29a4692bp-24, 0x1.face5f4079ba2p-25, 0x1.0000000000000p-25, 0x1.ffdfccccccccdp+15, 0x1.ffe0000000000p+15, 0x1.16c262777579cp-133, 0x1.ffffff0000000p+127};
static const uint64_t cast_f32[12][42] = {
    {0x0, 0x0, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1},
    {0x0, 0x0, 0x0, 0x0, 0x1, 0xff, 0x7f, 0x80, 0x7f, 0xff, 0x0, 0x0, 0xff, 0xff, 0x0, 0x70, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0xef, 0xf0, 0x0, 0x0},
    {0x0, 0x0, 0x0, 0x0, 0x1, 0xffff, 0x7f, 0x80, 0xff7f, 0xff, 0x100, 0x8000, 0x7fff, 0xffff, 0x0, 0x1170, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0xffef, 0xfff0, 0x0, 0x0},
    {0x0, 0x0, 0x0, 0x0, 0x1, 0xffffffff, 0x7f, 0x80, 0xffffff7f, 0xff, 0x100, 0x8000, 0xffff7fff, 0xffff, 0x10000, 0x11170, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x0, 0x0, 0x0, 0x0, 0xffef, 0xfff0, 0x0, 0x80000000},
    {0x0, 0x0, 0x0, 0x0, 0x1, 0xffffffffffffffff, 0x7f, 0x80, 0xffffffffffffff7f, 0xff, 0x100, 0x8000, 0xffffffffffff7fff, 0xffff, 0x10000, 0x11170, 0x80000000, 0x80000000, 0xffffffff80000000, 0xffffffff80000000, 0x100000000, 0x100000000, 0x4000000000000000, 0x8000000000000000, 0x8000000000000000, 0x8000000000000000, 0x8000000000000000, 0x8000000000000000, 0x8000000000000000, 0x8000000000000000, 0x8000000000000000, 0x8000000000000000, 0x8000000000000000, 0x8000000000000000, 0x0, 0x0, 0x0, 0x0, 0xffef, 0xfff0, 0x0, 0x8000000000000000},
    {0x0, 0x0, 0x0, 0x0, 0x1, 0xff, 0x7f, 0x80, 0x7f, 0xff, 0x0, 0x0, 0xff, 0xff, 0x0, 0x70, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0xef, 0xf0, 0x0, 0x0},
    {0x0, 0x0, 0x0, 0x0, 0x1, 0xffff, 0x7f, 0x80, 0xff7f, 0xff, 0x100, 0x8000, 0x7fff, 0xffff, 0x0, 0x1170, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0xffef, 0xfff0, 0x0, 0x0},
    {0x0, 0x0, 0x0, 0x0, 0x1, 0xffffffff, 0x7f, 0x80, 0xffffff7f, 0xff, 0x100, 0x8000, 0xffff7fff, 0xffff, 0x10000, 0x11170, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0xffef, 0xfff0, 0x0, 0x0},
    {0x0, 0x0, 0x0, 0x0, 0x1, 0xffffffffffffffff, 0x7f, 0x80, 0xffffffffffffff7f, 0xff, 0x100, 0x8000, 0xffffffffffff7fff, 0xffff, 0x10000, 0x11170, 0x80000000, 0x80000000, 0xffffffff80000000, 0xffffffff80000000, 0x100000000, 0x100000000, 0x4000000000000000, 0x8000000000000000, 0x8000000000000000, 0x8000000000000000, 0x8000000000000000, 0x0, 0x8ac7230000000000, 0x0, 0x8000000000000000, 0x0, 0x8000000000000000, 0x8000000000000000, 0x0, 0x0, 0x0, 0x0, 0xffef, 0xfff0, 0x0, 0x0},
    {0x0, 0x8000, 0x3800, 0xb800, 0x3e00, 0xbe00, 0x57fe, 0x5800, 0xd808, 0x5bf8, 0x5c02, 0x7800, 0xf800, 0x7c00, 0x7c00, 0x7c00, 0x7c00, 0x7c00, 0xfc00, 0xfc00, 0x7c00, 0x7c00, 0x7c00, 0x7c00, 0x7c00, 0xfc00, 0xfc00, 0x7c00, 0x7c00, 0x7c00, 0xfc00, 0x7c00, 0xfc00, 0xffffffffffffffff, 0x0, 0x1, 0x1, 0x0, 0x7bff, 0x7c00, 0x0, 0x7c00},
    {0x0, 0x80000000, 0x3f000000, 0xbf000000, 0x3fc00000, 0xbfc00000, 0x42ffcccd, 0x43000000, 0xc3010000, 0x437f0000, 0x43804000, 0x47000000, 0xc7000100, 0x477fff00, 0x47800000, 0x4788b800, 0x4f000000, 0x4f000000, 0xcf000000, 0xcf000000, 0x4f800000, 0x4f800000, 0x5e800000, 0x5f000000, 0x5f000000, 0xdf000000, 0xdf400000, 0x5f800000, 0x5f0ac723, 0x7f800000, 0xff800000, 0x7f800000, 0xff800000, 0xffffffffffffffff, 0x322bcc77, 0x3380d959, 0x337d6730, 0x33000000, 0x477fefe6, 0x477ff000, 0x116c2, 0x7f800000},
    {0x0, 0x8000000000000000, 0x3fe0000000000000, 0xbfe0000000000000, 0x3ff8000000000000, 0xbff8000000000000, 0x405ff999a0000000, 0x4060000000000000, 0xc060200000000000, 0x406fe00000000000, 0x4070080000000000, 0x40e0000000000000, 0xc0e0002000000000, 0x40efffe000000000, 0x40f0000000000000, 0x40f1170000000000, 0x41e0000000000000, 0x41e0000000000000, 0xc1e0000000000000, 0xc1e0000000000000, 0x41f0000000000000, 0x41f0000000000000, 0x43d0000000000000, 0x43e0000000000000, 0x43e0000000000000, 0xc3e0000000000000, 0xc3e8000000000000, 0x43f0000000000000, 0x43e158e460000000, 0x7ff0000000000000, 0xfff0000000000000, 0x7ff0000000000000, 0xfff0000000000000, 0xffffffffffffffff, 0x3e45798ee0000000, 0x3e701b2b20000000, 0x3e6face600000000, 0x3e60000000000000, 0x40effdfcc0000000, 0x40effe0000000000, 0x37a16c2000000000, 0x7ff0000000000000},
};
static const uint64_t cast_f64[12][42] = {
    {0x0, 0x0, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1},
    {0x0, 0x0, 0x0, 0x0, 0x1, 0xff, 0x7f, 0x80, 0x7f, 0xff, 0x0, 0x0, 0xff, 0xff, 0x0, 0x70, 0xff, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0xef, 0xf0, 0x0, 0x0},
    {0x0, 0x0, 0x0, 0x0, 0x1, 0xffff, 0x7f, 0x80, 0xff7f, 0xff, 0x100, 0x8000, 0x7fff, 0xffff, 0x0, 0x1170, 0xffff, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0xffef, 0xfff0, 0x0, 0x0},
    {0x0, 0x0, 0x0, 0x0, 0x1, 0xffffffff, 0x7f, 0x80, 0xffffff7f, 0xff, 0x100, 0x8000, 0xffff7fff, 0xffff, 0x10000, 0x11170, 0x7fffffff, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x0, 0x0, 0x0, 0x0, 0xffef, 0xfff0, 0x0, 0x80000000},
    {0x0, 0x0, 0x0, 0x0, 0x1, 0xffffffffffffffff, 0x7f, 0x80, 0xffffffffffffff7f, 0xff, 0x100, 0x8000, 0xffffffffffff7fff, 0xffff, 0x10000, 0x11170, 0x7fffffff, 0x80000000, 0xffffffff80000000, 0xffffffff7fffffff, 0xffffffff, 0x100000000, 0x4000000000000000, 0x8000000000000000, 0x8000000000000000, 0x8000000000000000, 0x8000000000000000, 0x8000000000000000, 0x8000000000000000, 0x8000000000000000, 0x8000000000000000, 0x8000000000000000, 0x8000000000000000, 0x8000000000000000, 0x0, 0x0, 0x0, 0x0, 0xffef, 0xfff0, 0x0, 0x8000000000000000},
    {0x0, 0x0, 0x0, 0x0, 0x1, 0xff, 0x7f, 0x80, 0x7f, 0xff, 0x0, 0x0, 0xff, 0xff, 0x0, 0x70, 0xff, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0xef, 0xf0, 0x0, 0x0},
    {0x0, 0x0, 0x0, 0x0, 0x1, 0xffff, 0x7f, 0x80, 0xff7f, 0xff, 0x100, 0x8000, 0x7fff, 0xffff, 0x0, 0x1170, 0xffff, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0xffef, 0xfff0, 0x0, 0x0},
    {0x0, 0x0, 0x0, 0x0, 0x1, 0xffffffff, 0x7f, 0x80, 0xffffff7f, 0xff, 0x100, 0x8000, 0xffff7fff, 0xffff, 0x10000, 0x11170, 0x7fffffff, 0x80000000, 0x80000000, 0x7fffffff, 0xffffffff, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0xffef, 0xfff0, 0x0, 0x0},
    {0x0, 0x0, 0x0, 0x0, 0x1, 0xffffffffffffffff, 0x7f, 0x80, 0xffffffffffffff7f, 0xff, 0x100, 0x8000, 0xffffffffffff7fff, 0xffff, 0x10000, 0x11170, 0x7fffffff, 0x80000000, 0xffffffff80000000, 0xffffffff7fffffff, 0xffffffff, 0x100000000, 0x4000000000000000, 0x8000000000000000, 0x8000000000000800, 0x8000000000000000, 0x8000000000000000, 0x0, 0x8ac7230489e80000, 0x0, 0x8000000000000000, 0x0, 0x8000000000000000, 0x8000000000000000, 0x0, 0x0, 0x0, 0x0, 0xffef, 0xfff0, 0x0, 0x0},
    {0x0, 0x8000, 0x3800, 0xb800, 0x3e00, 0xbe00, 0x57fe, 0x5800, 0xd808, 0x5bf8, 0x5c02, 0x7800, 0xf800, 0x7c00, 0x7c00, 0x7c00, 0x7c00, 0x7c00, 0xfc00, 0xfc00, 0x7c00, 0x7c00, 0x7c00, 0x7c00, 0x7c00, 0xfc00, 0xfc00, 0x7c00, 0x7c00, 0x7c00, 0xfc00, 0x7c00, 0xfc00, 0xffffffffffffffff, 0x0, 0x1, 0x1, 0x0, 0x7bff, 0x7c00, 0x0, 0x7c00},
    {0x0, 0x80000000, 0x3f000000, 0xbf000000, 0x3fc00000, 0xbfc00000, 0x42ffcccd, 0x43000000, 0xc3010000, 0x437f0000, 0x43804000, 0x47000000, 0xc7000100, 0x477fff00, 0x47800000, 0x4788b800, 0x4f000000, 0x4f000000, 0xcf000000, 0xcf000000, 0x4f800000, 0x4f800000, 0x5e800000, 0x5f000000, 0x5f000000, 0xdf000000, 0xdf400000, 0x5f800000, 0x5f0ac723, 0x7f800000, 0xff800000, 0x7f800000, 0xff800000, 0xffffffffffffffff, 0x322bcc77, 0x3380d959, 0x337d6730, 0x33000000, 0x477fefe6, 0x477ff000, 0x116c2, 0x7f800000},
    {0x0, 0x8000000000000000, 0x3fe0000000000000, 0xbfe0000000000000, 0x3ff8000000000000, 0xbff8000000000000, 0x405ff9999999999a, 0x4060000000000000, 0xc060200000000000, 0x406fe00000000000, 0x4070080000000000, 0x40e0000000000000, 0xc0e0002000000000, 0x40efffe000000000, 0x40f0000000000000, 0x40f1170000000000, 0x41dfffffffc00000, 0x41e0000000000000, 0xc1e0000000000000, 0xc1e0000000200000, 0x41efffffffe00000, 0x41f0000000000000, 0x43d0000000000000, 0x43e0000000000000, 0x43e0000000000001, 0xc3e0000000000000, 0xc3e8000000000000, 0x43f0000000000000, 0x43e158e460913d00, 0x7e37e43c8800759c, 0xfe37e43c8800759c, 0x7ff0000000000000, 0xfff0000000000000, 0xffffffffffffffff, 0x3e45798ee2308c3a, 0x3e701b2b29a4692b, 0x3e6face5f4079ba2, 0x3e60000000000000, 0x40effdfccccccccd, 0x40effe0000000000, 0x37a16c262777579c, 0x47effffff0000000},
};
/* astype of int64 and, from the same bits, uint64 to every type. */
static const int64_t cast_integers[] = {0ll, 1ll, -1ll, 127ll, 128ll, 255ll, 256ll, 32767ll, 40000ll, 65535ll, 65504ll, 65520ll, 16777217ll, 2147483647ll, 2147483648ll, 9007199254740993ll, 9223372036854775807ll, INT64_MIN, -129ll, 2049ll};
static const uint64_t cast_i64[12][20] = {
    {0x0, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1},
    {0x0, 0x1, 0xff, 0x7f, 0x80, 0xff, 0x0, 0xff, 0x40, 0xff, 0xe0, 0xf0, 0x1, 0xff, 0x0, 0x1, 0xff, 0x0, 0x7f, 0x1},
    {0x0, 0x1, 0xffff, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x9c40, 0xffff, 0xffe0, 0xfff0, 0x1, 0xffff, 0x0, 0x1, 0xffff, 0x0, 0xff7f, 0x801},
    {0x0, 0x1, 0xffffffff, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x9c40, 0xffff, 0xffe0, 0xfff0, 0x1000001, 0x7fffffff, 0x80000000, 0x1, 0xffffffff, 0x0, 0xffffff7f, 0x801},
    {0x0, 0x1, 0xffffffffffffffff, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x9c40, 0xffff, 0xffe0, 0xfff0, 0x1000001, 0x7fffffff, 0x80000000, 0x20000000000001, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffff7f, 0x801},
    {0x0, 0x1, 0xff, 0x7f, 0x80, 0xff, 0x0, 0xff, 0x40, 0xff, 0xe0, 0xf0, 0x1, 0xff, 0x0, 0x1, 0xff, 0x0, 0x7f, 0x1},
    {0x0, 0x1, 0xffff, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x9c40, 0xffff, 0xffe0, 0xfff0, 0x1, 0xffff, 0x0, 0x1, 0xffff, 0x0, 0xff7f, 0x801},
    {0x0, 0x1, 0xffffffff, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x9c40, 0xffff, 0xffe0, 0xfff0, 0x1000001, 0x7fffffff, 0x80000000, 0x1, 0xffffffff, 0x0, 0xffffff7f, 0x801},
    {0x0, 0x1, 0xffffffffffffffff, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x9c40, 0xffff, 0xffe0, 0xfff0, 0x1000001, 0x7fffffff, 0x80000000, 0x20000000000001, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffff7f, 0x801},
    {0x0, 0x3c00, 0xbc00, 0x57f0, 0x5800, 0x5bf8, 0x5c00, 0x7800, 0x78e2, 0x7c00, 0x7bff, 0x7c00, 0x7c00, 0x7c00, 0x7c00, 0x7c00, 0x7c00, 0xfc00, 0xd808, 0x6800},
    {0x0, 0x3f800000, 0xbf800000, 0x42fe0000, 0x43000000, 0x437f0000, 0x43800000, 0x46fffe00, 0x471c4000, 0x477fff00, 0x477fe000, 0x477ff000, 0x4b800000, 0x4f000000, 0x4f000000, 0x5a000000, 0x5f000000, 0xdf000000, 0xc3010000, 0x45001000},
    {0x0, 0x3ff0000000000000, 0xbff0000000000000, 0x405fc00000000000, 0x4060000000000000, 0x406fe00000000000, 0x4070000000000000, 0x40dfffc000000000, 0x40e3880000000000, 0x40efffe000000000, 0x40effc0000000000, 0x40effe0000000000, 0x4170000010000000, 0x41dfffffffc00000, 0x41e0000000000000, 0x4340000000000000, 0x43e0000000000000, 0xc3e0000000000000, 0xc060200000000000, 0x40a0020000000000},
};
static const uint64_t cast_u64[12][20] = {
    {0x0, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1},
    {0x0, 0x1, 0xff, 0x7f, 0x80, 0xff, 0x0, 0xff, 0x40, 0xff, 0xe0, 0xf0, 0x1, 0xff, 0x0, 0x1, 0xff, 0x0, 0x7f, 0x1},
    {0x0, 0x1, 0xffff, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x9c40, 0xffff, 0xffe0, 0xfff0, 0x1, 0xffff, 0x0, 0x1, 0xffff, 0x0, 0xff7f, 0x801},
    {0x0, 0x1, 0xffffffff, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x9c40, 0xffff, 0xffe0, 0xfff0, 0x1000001, 0x7fffffff, 0x80000000, 0x1, 0xffffffff, 0x0, 0xffffff7f, 0x801},
    {0x0, 0x1, 0xffffffffffffffff, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x9c40, 0xffff, 0xffe0, 0xfff0, 0x1000001, 0x7fffffff, 0x80000000, 0x20000000000001, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffff7f, 0x801},
    {0x0, 0x1, 0xff, 0x7f, 0x80, 0xff, 0x0, 0xff, 0x40, 0xff, 0xe0, 0xf0, 0x1, 0xff, 0x0, 0x1, 0xff, 0x0, 0x7f, 0x1},
    {0x0, 0x1, 0xffff, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x9c40, 0xffff, 0xffe0, 0xfff0, 0x1, 0xffff, 0x0, 0x1, 0xffff, 0x0, 0xff7f, 0x801},
    {0x0, 0x1, 0xffffffff, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x9c40, 0xffff, 0xffe0, 0xfff0, 0x1000001, 0x7fffffff, 0x80000000, 0x1, 0xffffffff, 0x0, 0xffffff7f, 0x801},
    {0x0, 0x1, 0xffffffffffffffff, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x9c40, 0xffff, 0xffe0, 0xfff0, 0x1000001, 0x7fffffff, 0x80000000, 0x20000000000001, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffff7f, 0x801},
    {0x0, 0x3c00, 0x7c00, 0x57f0, 0x5800, 0x5bf8, 0x5c00, 0x7800, 0x78e2, 0x7c00, 0x7bff, 0x7c00, 0x7c00, 0x7c00, 0x7c00, 0x7c00, 0x7c00, 0x7c00, 0x7c00, 0x6800},
    {0x0, 0x3f800000, 0x5f800000, 0x42fe0000, 0x43000000, 0x437f0000, 0x43800000, 0x46fffe00, 0x471c4000, 0x477fff00, 0x477fe000, 0x477ff000, 0x4b800000, 0x4f000000, 0x4f000000, 0x5a000000, 0x5f000000, 0x5f000000, 0x5f800000, 0x45001000},
    {0x0, 0x3ff0000000000000, 0x43f0000000000000, 0x405fc00000000000, 0x4060000000000000, 0x406fe00000000000, 0x4070000000000000, 0x40dfffc000000000, 0x40e3880000000000, 0x40efffe000000000, 0x40effc0000000000, 0x40effe0000000000, 0x4170000010000000, 0x41dfffffffc00000, 0x41e0000000000000, 0x4340000000000000, 0x43e0000000000000, 0x43e0000000000000, 0x43f0000000000000, 0x40a0020000000000},
};
