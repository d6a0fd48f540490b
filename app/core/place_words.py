"""The words around places: what may stand beside a name, what is everywhere, and names that are words first."""

from __future__ import annotations

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What may stand before or behind a name without changing which place it is.
BESIDE: Final = _words(
    """
    a an the in at from near of and de en el la los las le les du des im am der die das na no em do da di based
    living live lives reside residing located currently now presently today born raised bred made originally native
    somewhere around round just outside off within inside deep way up down over out all for both mostly mainly
    usually sometimes often also my our your home hometown house location loc place here there where i we city town
    village district county state province prefecture region area metro metropolitan metroplex greater inner outer
    downtown uptown midtown central centre center suburb suburbs suburban burbs rural urban upstate north south east
    west northern southern eastern western northeast northwest southeast southwest northeastern northwestern
    southeastern southwestern ne nw se sw nth sth mid upper lower sunny rainy beautiful lovely great good old hot
    cold proud cool real true pure local only baby bound ish forever yall yo innit duh representing repping rep via
    moment minute time being vivo viviendo nacido cerca ciudad cidade estado provincia ville
    """
)

# What is everywhere or larger than a country: it names no country, and takes none away.
WORLD: Final = _words(
    """
    world worldwide global globe globally international internationally earth planet universe multiverse galaxy
    solar system milky way space everywhere anywhere wherever nowhere somewhere online internet web cyberspace
    virtual remote cloud continent hemisphere europe european eu union africa african asia asian america americas
    oceania antarctica latin middle caribbean scandinavia balkans arctic sahara pangaea eurasia emea apac latam mena
    gmt utc est pst cet ist wat cat eat sast mundo tierra terre monde welt erde dunya dunia bumi mondo terra
    """
)

# A place behind one of these is where somebody is not, is no longer, or would like to be.
AWAY: Final = _words(
    """
    not never longer except formerly former ex but far escaped escapee exiled banned looking searching search wish
    wishing want wanting missing dreaming dream stuck almost fake hate nunca nicht pas non
    """
)

# Codes and short forms that are words, or belong to another country as much: alone they say nothing.
WORDS_LIKE_CODES: Final = _words(
    """
    al am an as at be by can co com de do el es et ga go he hi id ill in ind is it la ma mass me miss mo ms md mt my
    na ne no oh ok on or ore pa penn pe per se so tex to us va wash ark ala ca are and ben bel dom gum jam mar nor
    pan pol tat ton col con colo
    """
)

# Those of them that are words even with a capital ("Me, Or").
SMALL_WORDS: Final = _words("am an and are as at be by can do go he hi in is it me miss my no oh ok on or per so to us")

# US states whose two letters stand for nothing else that people write as a place.
LONE_STATES: Final = _words(
    "ak ar az ct dc fl ga ia il ks ky mi mn nc nd nh nj nm nv ny pa ri sc sd tn tx ut va vt wi wv wy"
)


# Names of cities, or other names of theirs, that are a word, a first name or a brand before they are a place. They
# count only beside a name that they lie in ("Nice, France").
WORDS_LIKE_CITIES: Final = _words(
    """
    tanpa nanti warna katanya chama sejam tiver longa adama vereniging costi wensen kolam bahar duran monster roles
    yolla makale amare julia meriti neves brano yanan werder constancia amarah matura bruna fletcher gence senna
    amara lester augusta alfaro rasyid hayden jambul arcangelo flavia pastas telin alaya varana orando santosa
    angostura ganga rosette revel lafal hippo oriol bilbo ivanov minster nice reading mobile bath orange man hope
    split best normal male of union independence universal victoria surprise sandy paradise hell eden time much
    young god march date mine sale same side part bank police media federal university central centro green spring
    springs mission mesa vista bella bello bela libertad liberdade progreso gloria fortuna santa san santos cruz
    rosario mercedes carmen david adam allen alice anna anne ann ana mary martin george marco leo lucas luca mila
    mira nancy kelly tyler taylor bryan brandon elizabeth florence helena irene kelvin kim lydia mercy nelson norman
    roman sara teresa vera vincent vladimir wilson clinton bush kennedy lincoln obama lawrence anderson parker
    murray campbell mitchell barry roy rama ali hassan ibrahim angeles natal pau bar beja bend batman bimbo boulder
    brick bor cali canton car carrefour casa ceres champagne clay clovis coin concord corona cove crystal cypress
    dali deal delta derry dig dole dome dover eagle enterprise este eureka fate fatwa ferrari fig fleet forest
    fountain gap garden gay gold golden goes gore grace guard guarda hail hammond handy happy harmony hilo hire hit
    holiday home honda hub hue humble hurricane ideal imperial indio java jersey jupiter kali kota kong lagoon lens
    lion lit logan logos loma lone love luck lynn magic manage mango manning marina mars mason medina melody mentor
    merit metan mint mole moon moral moreno morena most naga nova nokia noble nope oak olympia omega opportunity
    oral orchard orion palm panorama paramount pearl peine pest pistol plain plantation plaza pole pride pull punch
    pure race racing rainbow redemption resistencia resto retiro rich rise roses rose rush sake salt samba sano sari
    savage savoy saga self seven shaw sierra sparks sparta star stella sterling stone summit sun sunrise sunset
    superior swords tabaco tall tank temple terminus tone toyota tours trim troy true tula turbo uptown urbana
    utopia van vega venus virginia wayne wedding west wing wonder worms yoga york zion para solo baru sama benim
    esse selama sana dabei maka tiba seul aman siano varsa feira jasa tane vele liga perto landen rest manos sola
    selam sala luta pensa adalet pari velho urusan pesta rapat wali soul campi basura deri homo hang mandare turan
    baris keju colonia vinha busana temen adem caza kian tulus boze amano kasa dual girin esen laju boku daban burs
    vine genes dining litros katak kasi goyang koma edene suri salata peste zaitun chin stadi veen ibas ariel saul
    cano banu tango tuba lime rima puni stalin anten tunes vien koni pantun rika sinin rast lapas tupai beren tana
    luan cansa tori kolon romo pesto paras wary alsan mosel aten agro riant mirata sian bahri moria judah limo humus
    cham raba pretorio molotov pristine hime rigo bose cuco adan toison sare whitehall larkin westside guru sur come
    anda ama nada acara ende pula pueblo celle tema berat vite largo obra bayan keren kara kaya welkom adet rouge
    betul massa drama vinto azul saham loja passi tanta chico saran serra registro mestre frontera bunda latina
    banka altos madera metro horizonte gare ganda kasihan castro passos barra virar gama greve topi barbosa assis
    soledad plato hutang medias cerro extrema palma sousa coro milagro fontana limon tumba pilar estancia encanto
    adler bosse capas escondido escada palmas laguna jos brits granja golfe burla alicia bani ridder franca barras
    campana colina prosperidad deva bam milton shelby hoover commonwealth aurora republic
    """
)

# Parts that many cities have, and parts of one city that are named like another city.
PARTS_OF_CITIES: Final = frozenset(
    " ".join(name.split())
    for name in """
    battle ground, big spring, center city, center point, central city, chinatown, city center, city one, country
    club, d town, east end, east london, federal capital, federal city, forest city, garden city, golden gate, happy
    valley, high peak, high point, home town, kings county, koreatown, la luna, little havana, little italy, mile
    end, mill city, model town, new capital, new city, new hope, new orange, new town, north center, north end,
    north pole, old boston, old city, old town, p town, queen city, river city, road town, salt river, san
    pedro, san juan, santa cruz, santa maria, santa rosa, smith station, star city, star hill, sun city, temple
    city, the     bridge, the     village, the crossing, the d, the falls, the gap, the hill, the hills, the peak,
    the river, the valley, times square, treaty port, union city, universal city, university     city, university
    place, university park, victoria city, west end, west park, west town, white house
    """.split(",")
)
