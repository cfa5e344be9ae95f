/**
 * Completion for bash, zsh and fish. The scripts know nothing themselves: they ask
 * `overlane __complete WORDS...`, which knows the commands and asks the daemon for node names.
 * One proposal a line: the word, a tab, what it is.
 */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export const COMPLETE_WORD = '__complete';

export const COMPLETION_SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `# overlane completion for bash. Install: overlane completion bash > ~/.local/share/bash-completion/completions/overlane
_overlane() {
  local IFS=$'\\n' line current="\${COMP_WORDS[COMP_CWORD]}"
  COMPREPLY=()
  while IFS= read -r line; do
    line="\${line%%$'\\t'*}"
    [[ "$line" == "$current"* ]] && COMPREPLY+=("$line")
  done < <(overlane ${COMPLETE_WORD} "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _overlane overlane
`,
  zsh: `#compdef overlane
# overlane completion for zsh. Install: overlane completion zsh > "\${fpath[1]}/_overlane"
_overlane() {
  local -a proposals
  local line
  while IFS= read -r line; do
    [[ -n "$line" ]] && proposals+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done < <(overlane ${COMPLETE_WORD} "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if (( \${#proposals} )); then _describe 'overlane' proposals; else _files; fi
}
if [[ "\${funcstack[1]}" == _overlane ]]; then _overlane "$@"; else compdef _overlane overlane; fi
`,
  fish: `# overlane completion for fish. Install: overlane completion fish > ~/.config/fish/completions/overlane.fish
function __overlane_complete
  set -l words (commandline -opc) (commandline -ct)
  overlane ${COMPLETE_WORD} $words[2..-1] 2>/dev/null
end
complete -c overlane -f -a '(__overlane_complete)'
`,
};
