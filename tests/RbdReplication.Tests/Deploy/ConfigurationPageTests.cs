using System.CommandLine;
using System.Text.RegularExpressions;
using RbdReplication.Core;
using RbdReplication.Csi.Cli;

namespace RbdReplication.Tests.Deploy;

public sealed partial class ConfigurationPageTests
{
    private static readonly string Page = File.ReadAllText(Path.Combine(Manifests.Repository, "docs", "configuration.md"));

    [Fact]
    public void The_page_has_every_flag_of_every_command_and_no_other()
    {
        var known = new HashSet<string>();
        foreach (var command in Leaves(CommandLine.Root()))
        {
            var section = Section(command);
            foreach (var option in command.Options.Where(option => option is not System.CommandLine.Help.HelpOption))
            {
                known.Add(option.Name);
                Assert.True(section.Contains($"`{option.Name}`", StringComparison.Ordinal), $"docs/configuration.md: {command.Name} lacks {option.Name}");
            }
        }
        // ceph-csi's own flag is named where ours must equal it.
        Assert.Empty(FlagPattern().Matches(Page).Select(match => match.Value).Except(known).Except(["--instanceid"]));
    }

    [Fact]
    public void The_page_has_the_defaults_that_the_program_has()
    {
        var root = CommandLine.Root();
        foreach (var command in Leaves(root))
        {
            if (Title(command) is not ("serve" or "omap-generator" or "status"))
                continue;
            var parsed = root.Parse([command.Name]);
            foreach (Match row in Row().Matches(Section(command)))
            {
                var option = command.Options.Single(o => o.Name == row.Groups[1].Value);
                var value = option switch
                {
                    Option<Duration> span => parsed.GetValue(span),
                    Option<Uri> uri => parsed.GetValue(uri)!.OriginalString,
                    Option<int> number => parsed.GetValue(number),
                    Option<string> text => parsed.GetValue(text)!,
                    _ => (object?)null,
                };
                Assert.NotNull(value);
                Assert.Equal($"{value}", row.Groups[2].Value);
            }
        }
    }

    [Fact]
    public void The_page_has_every_parameter_of_the_class() =>
        Assert.All(ReplicationParameters.KnownKeys, key => Assert.Contains($"| `{key}` |", Page, StringComparison.Ordinal));

    private static IEnumerable<Command> Leaves(Command command) =>
        command.Subcommands.Count == 0 ? [command] : command.Subcommands.SelectMany(Leaves);

    // Commands of a command are in its section.
    private static string Title(Command command) =>
        command.Parents.OfType<Command>().Single() is { } parent and not RootCommand ? parent.Name : command.Name;

    // The flags that a section refers to instead of repeating them are in it by name too.
    private static string Section(Command command)
    {
        var title = Title(command);
        var match = Regex.Match(Page, $@"^## {title}\n(.*?)(?=^## |\z)", RegexOptions.Multiline | RegexOptions.Singleline);
        Assert.True(match.Success, $"docs/configuration.md lacks a section on {title}");
        return match.Value;
    }

    [GeneratedRegex("--[a-z][a-z-]+")]
    private static partial Regex FlagPattern();

    [GeneratedRegex(@"^\| `(--[a-z-]+)`(?:, `-.`)? \| `([^`]+)` \|", RegexOptions.Multiline)]
    private static partial Regex Row();
}
