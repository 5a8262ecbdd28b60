"""Lock files of Node.js projects: npm, yarn and pnpm. Pure."""
