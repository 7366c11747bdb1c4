using RbdReplication.Csi.Cli;

namespace RbdReplication.Tests.Cli;

public sealed class CompletionTests
{
    [Theory]
    [InlineData("rbd-replication st", "status")]
    [InlineData("rbd-replication call Prom", "PromoteVolume")]
    [InlineData("rbd-replication status --out", "--output")]
    [InlineData("rbd-replication status --output ", "json")]
    [InlineData("rbd-replication serve --log-level ", "debug")]
    public void Commands_methods_flags_and_values_are_completed(string line, string expected) =>
        Assert.Contains(expected, CommandLine.Root().Parse(line["rbd-replication ".Length..]).GetCompletions().Select(completion => completion.Label));

    [Theory]
    [InlineData("bash", 0)]
    [InlineData("zsh", 0)]
    [InlineData("fish", 0)]
    [InlineData("tcsh", 1)]
    public void There_is_a_script_for_three_shells(string shell, int errors) =>
        Assert.Equal(errors, CommandLine.Root().Parse(["completion", shell]).Errors.Count);
}
