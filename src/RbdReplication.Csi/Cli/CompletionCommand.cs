using System.CommandLine;

namespace RbdReplication.Csi.Cli;

/// <summary><c>completion</c>: prints what a shell needs to complete our command lines; the answers come from the program itself.</summary>
internal static class CompletionCommand
{
    private const string Bash = """
        _rbd_replication() {
            local IFS=$'\n'
            COMPREPLY=($(rbd-replication "[suggest:${COMP_POINT}]" "${COMP_LINE}" 2>/dev/null))
        }
        complete -o default -F _rbd_replication rbd-replication
        """;

    private const string Zsh = """
        #compdef rbd-replication
        _rbd_replication() {
            local -a answers
            answers=("${(@f)$(rbd-replication "[suggest:${#BUFFER}]" "${BUFFER}" 2>/dev/null)}")
            compadd -a answers
        }
        compdef _rbd_replication rbd-replication
        """;

    private const string Fish = """
        complete -f -c rbd-replication -a '(rbd-replication "[suggest:"(commandline -C)"]" (commandline -p) 2>/dev/null)'
        """;

    public static Command Create()
    {
        var shell = new Argument<string>("shell") { Description = "bash, zsh or fish" };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        var command = new Command("completion", "Print the completion script of a shell: source <(rbd-replication completion bash)") { shell };
        command.SetAction(parsed =>
        {
            Console.WriteLine(parsed.GetRequiredValue(shell) switch { "zsh" => Zsh, "fish" => Fish, _ => Bash });
            return ExitCode.Success;
        });
        return command;
    }
}
