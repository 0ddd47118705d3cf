# Every target is one command that can be typed by hand; .ci/run runs them all.
SHELL := bash
CACHE := $(or $(GROUPSYNCD_PEERS_CACHE),$(HOME)/.cache/groupsyncd-peers)
LINT_VERSION := $(shell sed -n 's/^lint_version=//p' .ci/run)
LINT := $(CACHE)/golangci-lint-$(LINT_VERSION)/golangci-lint

.DEFAULT_GOAL := help
.PHONY: help build test race lint generate peers soak fuzz ci man dist release

help: ## Show this list.
	@sed -nE 's/^([a-z]+):.*## (.*)/\1|\2/p' Makefile | while IFS='|' read -r name text; do printf '%-10s %s\n' "$$name" "$$text"; done

build: ## Build ./groupsyncd.
	CGO_ENABLED=0 go build -trimpath -o groupsyncd ./cmd/groupsyncd

test: ## Run the tests; no server is needed.
	go test ./...

race: ## Run the tests with the race detector and fewer histories.
	GROUPSYNCD_HISTORIES=300 go test -race -short ./...

$(LINT):
	GOBIN=$(dir $@) GOFLAGS= go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$(LINT_VERSION)

lint: $(LINT) ## Check the code, and the scripts where shellcheck is installed.
	$(LINT) run ./...
	@if command -v shellcheck >/dev/null; then shellcheck -x -P . .ci/run test/fuzz/run test/peers/run test/peers/*.sh; fi

generate: ## Make the generated files again.
	go generate ./...

peers: ## Run the tests against real servers: OpenLDAP, Samba, 389 Directory Server, Open WebUI.
	test/peers/run

soak: ## Run the program for half an hour among people and troubles; fails when it grows.
	go run ./test/soak

fuzz: ## Give every fuzz target half a minute; FOR=10m gives more, RUN=Patch chooses.
	test/fuzz/run $(if $(FOR),-for $(FOR)) $(if $(RUN),-run '$(RUN)')

ci: ## Run everything that must hold before a change is good.
	.ci/run

man: build ## Write the manual pages into ./man.
	mkdir -p man && ./groupsyncd man man

dist: ## Build packages, tarballs, lists of parts and checksums into ./dist, twice, and compare.
	cd packaging/dist && go run . -twice

release: ## Say what a release would do; VERSION=1.2.3 chooses, WRITE=1 makes commit and tag. Pushes nothing.
	go run ./internal/release $(if $(VERSION),-version $(VERSION)) $(if $(WRITE),-write)
