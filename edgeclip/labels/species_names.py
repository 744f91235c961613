"""Scientific names of animals that camera traps often see -> the common names that CLIP knows.

CLIP was trained on captions, and captions seldom say `Panthera pardus`. Names that are not listed
stay as they are; `--prompt` describes them.
"""

from __future__ import annotations

_COMMON_NAMES = """
acinonyx jubatus: cheetah; aepyceros melampus: impala; ailuropoda melanoleuca: giant panda
alces alces: moose; antilocapra americana: pronghorn; bison bison: bison; bos gaurus: gaur
bos taurus: cow; camelus dromedarius: camel; canis aureus: golden jackal; canis familiaris: dog
canis latrans: coyote; canis lupus: wolf; canis lupus familiaris: dog; capra hircus: goat
capreolus capreolus: roe deer; caracal caracal: caracal; castor canadensis: beaver
castor fiber: beaver; cerdocyon thous: crab-eating fox; cervus canadensis: elk
cervus elaphus: red deer; connochaetes taurinus: wildebeest; crocuta crocuta: spotted hyena
cuniculus paca: paca; dama dama: fallow deer; dasyprocta punctata: agouti
dasypus novemcinctus: armadillo; diceros bicornis: black rhinoceros
didelphis marsupialis: opossum; didelphis virginiana: opossum; eira barbara: tayra
elephas maximus: elephant; equus caballus: horse; equus ferus caballus: horse
equus quagga: zebra; erethizon dorsatum: porcupine; erinaceus europaeus: hedgehog
felis catus: cat; felis silvestris: wildcat; genetta genetta: genet
giraffa camelopardalis: giraffe; gulo gulo: wolverine; helarctos malayanus: sun bear
herpailurus yagouaroundi: jaguarundi; hippopotamus amphibius: hippopotamus
hyaena hyaena: striped hyena; hystrix cristata: porcupine; lama guanicoe: guanaco
leopardus pardalis: ocelot; leopardus wiedii: margay; lepus europaeus: hare
leptailurus serval: serval; loxodonta africana: elephant; lycaon pictus: african wild dog
lynx canadensis: lynx; lynx lynx: lynx; lynx pardinus: lynx; lynx rufus: bobcat
macaca mulatta: macaque; martes foina: stone marten; martes martes: pine marten
mazama americana: brocket deer; meleagris gallopavo: wild turkey; meles meles: badger
mellivora capensis: honey badger; mephitis mephitis: skunk; muntiacus muntjak: muntjac
myrmecophaga tridactyla: giant anteater; nasua nasua: coati; nasua narica: coati
neofelis nebulosa: clouded leopard; neovison vison: mink; nyctereutes procyonoides: raccoon dog
odocoileus hemionus: mule deer; odocoileus virginianus: white-tailed deer
oryctolagus cuniculus: rabbit; ovis aries: sheep; pan troglodytes: chimpanzee
panthera leo: lion; panthera onca: jaguar; panthera pardus: leopard; panthera tigris: tiger
panthera uncia: snow leopard; papio anubis: baboon; pecari tajacu: peccary
phacochoerus africanus: warthog; prionailurus bengalensis: leopard cat; procyon lotor: raccoon
puma concolor: cougar; rangifer tarandus: reindeer; rupicapra rupicapra: chamois
rusa unicolor: sambar deer; sciurus carolinensis: grey squirrel; sciurus vulgaris: red squirrel
sus scrofa: wild boar; syncerus caffer: buffalo; tapirus terrestris: tapir
tamandua tetradactyla: anteater; tayassu pecari: peccary; tragelaphus strepsiceros: kudu
urocyon cinereoargenteus: grey fox; ursus americanus: black bear; ursus arctos: brown bear
vombatus ursinus: wombat; vulpes lagopus: arctic fox; vulpes vulpes: red fox
"""
_BY_NAME = dict(
    entry.strip().split(": ")
    for line in _COMMON_NAMES.strip().splitlines()
    for entry in line.split(";")
)


def common_name(name: str) -> str:
    """Return the common name of a species, or the name itself.

    Args:
        name: As `labels.classes.normal` gives it.
    """
    return _BY_NAME.get(name, name)
