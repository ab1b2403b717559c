# The networks that measure, from photographs to their cards, by one command that goes on where it was stopped:
#
#   make measuring FACES=... PORTRAITS=... LANDMARKER=face_landmarker.task WEIGHTS=mobilenet_v2.pth [CLOSE_UPS=...]
#
#   FACES       portraits on which pigment may be painted: of people who do not exist, or have agreed
#   PORTRAITS   portraits of real people, without pigment disease; nothing is painted on them
#   CLOSE_UPS   close-ups of skin that show none of the six lesions; may be left out
#   PERSON      regular expression for the patient in a close-up's file name; else each shows somebody else
#   LANDMARKER  the file of MediaPipe's Face Landmarker, the teacher of regions
#   WEIGHTS     MobileNetV2 from ImageNet (torchvision's state dict); or a skin.onnx to go on from, with RATE=8e-4
#   OUT         folder for everything; networks and cards come to lie in OUT/networks
#   SAMPLES     views that the skin network is trained on
#   MEMBERS     seeds of the trainings whose mean the regional network is; EPOCHS of each
#   PERCENT     of the patients in each cohort, and of the paintings of each portrait
#
#   OUT=runs/trial WEIGHTS=src/melascope/networks/skin.onnx RATE=8e-4 SAMPLES=640 PERCENT=20 EPOCHS=4 MEMBERS="1 2" is a
#   trial of the machinery (a skin network that has hardly learnt finds no face to paint on)
#
# No path may hold a space. Each step leaves a file in OUT/done, and OUT keeps what was said: for anything else name
# another OUT. Renders and trainings go on from their last photograph or checkpoint. `make -n measuring ...` lists the
# commands. One step is taken after the other: -j has no effect.

OUT     ?= runs/measuring
SAMPLES ?= 300000
RATE    ?= 2e-3
MEMBERS ?= 1 2 3 4 5 6
EPOCHS  ?= 24
PERCENT ?= 100

DONE     := $(OUT)/done
NETWORKS := MELASCOPE_NETWORKS='$(abspath $(OUT)/networks)'
LAB      := $(NETWORKS) $(BIN)/python -m melascope.lab
COHORT   := $(NETWORKS) $(BIN)/melascope cohort
SAID     := $(strip $(foreach name,FACES PORTRAITS CLOSE_UPS PERSON LANDMARKER WEIGHTS SAMPLES RATE MEMBERS EPOCHS \
	PERCENT,$(name)=$($(name))))

ifneq ($(filter measuring,$(MAKECMDGOALS)),)
$(foreach name,OUT FACES PORTRAITS LANDMARKER WEIGHTS $(if $(CLOSE_UPS),CLOSE_UPS),$(if $(word 2,$($(name))),\
	$(error $(name)="$($(name))": a path may not hold a space; link to it from another place)))
$(foreach name,FACES PORTRAITS LANDMARKER WEIGHTS $(if $(CLOSE_UPS),CLOSE_UPS),$(if $(wildcard $($(name))),,\
	$(error $(name)="$($(name))" is not there: say make measuring $(name)=PLACE (recipes/measuring.mk tells what it is))))
BEGUN := $(strip $(shell cat $(DONE)/said 2>/dev/null))
$(if $(BEGUN),$(if $(subst x$(SAID)x,,x$(BEGUN)x),\
	$(error $(OUT) was begun with $(BEGUN): say the same to go on, or name another OUT)))
endif

TURN   := mel,sl,mel,fre,hori,mel,caf,ota
DARKER := mel,ota,mel,hori,mel,caf,fre,sl

# So many patients, or a share of them; a multiple of 36, by which heads are whole and are there in all tones.
patients = --patients $(shell expr \( $(1) \* $(PERCENT) / 100 + 35 \) / 36 \* 36)
each     = --each $(shell expr \( $(1) \* $(PERCENT) + 99 \) / 100)

# What the skin network learns from, with maps.
learn-any   = $(call patients,360) --seed 901 --per-head 4 --size 512
learn-kinds = $(call patients,360) --seed 902 --per-head 4 --size 512 --kinds $(DARKER)
learn-tones = $(call patients,360) --seed 910 --per-head 6 --size 512 --kinds $(DARKER) --each-tone
LEARN      := learn-any learn-kinds learn-tones

# What the other two learn from, and by which they are measured: of every twenty heads three are kept for figures, and
# three for intervals.
six-occur = $(call patients,360) --seed 920 --per-head 12 --size 640 --no-maps --each-tone
turn      = $(call patients,468) --seed 923 --per-head 12 --size 480 --no-maps --kinds $(TURN)
pale      = $(call patients,576) --seed 924 --per-head 12 --size 480 --no-maps --any-density --kinds mel,$(TURN),mel
close     = $(call patients,180) --seed 922 --per-head 12 --size 640 --no-maps --views close-up
six-kinds = $(call patients,432) --seed 925 --per-head 12 --size 640 --no-maps --any-density --each-tone --kinds mel,sl,fre,hori,caf,ota
darker    = $(call patients,432) --seed 926 --per-head 9 --size 640 --no-maps --any-density --each-tone --tones tan,brown,dark --kinds $(TURN)
WHOLE    := six-occur turn pale
NAMED    := $(WHOLE) close six-kinds darker

# By which the intervals of close-ups are made: small pictures of nobody else.
small-close = $(call patients,180) --seed 930 --per-head 12 --size 320 --no-maps --views close-up
small-six   = $(call patients,360) --seed 931 --per-head 12 --size 320 --no-maps --each-tone
SMALL      := small-close small-six

# Paintings on those portraits of whom no figure is made.
painted-mel   = $(call each,12) --kinds mel --seed 33
painted-occur = $(call each,4) --seed 34
painted-pale  = $(call each,10) --kinds mel --seed 35 --any-density
PAINTED      := painted-mel painted-occur painted-pale

.PHONY: measuring
.NOTPARALLEL:
measuring: $(DONE)/figures ## train the networks that measure (recipes/measuring.mk)
	@echo "Networks and cards are in $(OUT)/networks, figures in $(OUT)/figures.md. To use them:"
	@echo "  $(NETWORKS) melascope analyze ..."

$(DONE)/said: | $(VENV)/.lab
	@mkdir -p $(DONE) $(OUT)/networks
	@printf '%s\n' '$(SAID)' > $@

$(patsubst %,$(DONE)/%,$(LEARN) $(NAMED) $(SMALL)): $(DONE)/%: | $(DONE)/said
	$(COHORT) render $(OUT)/$* --photos 2 $($*)
	@touch $@

# ---------------------------------------------------------------- the skin network

$(DONE)/labels: | $(DONE)/said
	$(LAB).skin label $(FACES) --unpainted $(PORTRAITS) $(if $(CLOSE_UPS),--skin $(CLOSE_UPS)) --landmarker $(LANDMARKER) --out $(OUT)/labelled
	@touch $@

$(DONE)/skin: $(DONE)/labels $(LEARN:%=$(DONE)/%)
	$(LAB).skin train --weights $(WEIGHTS) --rate $(RATE) --samples $(SAMPLES) --dark 2.5 --labelled $(OUT)/labelled $(LEARN:%=--cohort $(OUT)/%) --out $(OUT)/skin
	$(LAB).skin export --out $(OUT)/skin
	@touch $@

# ---------------------------------------------------------------- photographs as they are, and painted

$(DONE)/photographs: | $(DONE)/said
	$(LAB).skin unaffected $(PORTRAITS) --out $(OUT)/healthy
	$(LAB).skin unaffected $(FACES) --out $(OUT)/clear
	$(LAB).skin unaffected $(FACES) --learnt --out $(OUT)/learnt
	$(if $(CLOSE_UPS),$(LAB).skin unaffected $(CLOSE_UPS) --view close-up $(if $(PERSON),--person '$(PERSON)') --out $(OUT)/close-ups)
	@touch $@

# The skin network tells where a face's skin is.
$(PAINTED:%=$(DONE)/%): $(DONE)/%: $(DONE)/skin $(DONE)/photographs
	@rm -rf $(OUT)/$*
	$(COHORT) paint $(OUT)/learnt/photos $(OUT)/$* $($*)
	@touch $@

# ---------------------------------------------------------------- the regional network

$(DONE)/faces: $(DONE)/skin $(DONE)/photographs $(patsubst %,$(DONE)/%,$(PAINTED) $(WHOLE))
	$(LAB).skin regional-maps $(WHOLE:%=$(OUT)/%) $(PAINTED:%=$(OUT)/%=$(FACES)) $(OUT)/healthy=$(PORTRAITS) $(OUT)/clear=$(FACES) --out $(OUT)/faces
	@touch $@

$(MEMBERS:%=$(DONE)/member-%): $(DONE)/member-%: $(DONE)/faces
	$(LAB).skin regional-train --faces $(OUT)/faces --epochs $(EPOCHS) --smooth 0.4 --photographed 2.5 --clear 24 --seed $* --out $(OUT)/member-$*
	@touch $@

$(DONE)/regional: $(MEMBERS:%=$(DONE)/member-%)
	$(LAB).skin regional-export $(MEMBERS:%=$(OUT)/member-%) --faces $(OUT)/faces
	@touch $@

# ---------------------------------------------------------------- the network that names patches

TAUGHT := $(NAMED) painted-occur $(if $(CLOSE_UPS),close-ups)

$(TAUGHT:%=$(DONE)/facts-%): $(DONE)/skin $(DONE)/photographs
$(patsubst %,$(DONE)/facts-%,$(NAMED) painted-occur): $(DONE)/facts-%: $(DONE)/%
$(TAUGHT:%=$(DONE)/facts-%): $(DONE)/facts-%:
	$(LAB).naming facts $(OUT)/$* --out $(OUT)/naming
	@touch $@

$(DONE)/naming: $(TAUGHT:%=$(DONE)/facts-%)
	$(LAB).naming fit $(TAUGHT:%=$(OUT)/naming/%.npz)
	@touch $@

# ---------------------------------------------------------------- intervals of close-ups, and figures

$(DONE)/figures: $(DONE)/regional $(DONE)/naming $(SMALL:%=$(DONE)/%)
	$(LAB).skin calibrate $(SMALL:%=$(OUT)/%) --card
	$(LAB).skin evaluate --out $(OUT)/labelled --card --page $(OUT)/figures.md
	@touch $@
