module example.org/stick

go 1.18

require (
	example.org/mark v0.0.0
	github.com/BurntSushi/toml v1.2.0
	github.com/davecgh/go-spew v1.1.1
	github.com/dustin/go-humanize v1.0.0
	github.com/google/shlex v0.0.0-20191202100458-e7afc7fbc510
	github.com/google/uuid v1.3.0
	github.com/mattn/go-runewidth v0.0.14
	github.com/pkg/errors v0.9.1
)

require github.com/rivo/uniseg v0.4.2 // indirect

replace example.org/mark => ./mark
