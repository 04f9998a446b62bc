"""Rule packs: what each family of chips and its toolchain does to a network."""
