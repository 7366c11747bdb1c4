using System.Text.RegularExpressions;
using RbdReplication.Csi.Cli;

namespace RbdReplication.Tests.Deploy;

public sealed partial class DocumentTests
{
    private static readonly string[] Pages =
        [.. Directory.EnumerateFiles(Path.Combine(Manifests.Repository, "docs"), "*.md").Select(page => "docs/" + Path.GetFileName(page)).Order(StringComparer.Ordinal), "README.md", "CONTRIBUTING.md"];

    [Fact]
    public void Links_between_the_pages_lead_somewhere()
    {
        foreach (var page in Pages)
        {
            foreach (Match link in Link().Matches(Read(page)))
            {
                var target = Path.GetFullPath(Path.Combine(Manifests.Repository, Path.GetDirectoryName(page)!, link.Groups[1].Value));
                if (link.Groups[1].Value.Length > 0)
                    Assert.True(Path.Exists(target), $"{page}: {link.Value}");
                var headings = link.Groups[2].Value.Length == 0 ? [] : Headings(link.Groups[1].Value.Length == 0 ? Read(page) : File.ReadAllText(target));
                Assert.True(link.Groups[2].Value.Length == 0 || headings.Contains(link.Groups[2].Value), $"{page}: {link.Value}");
            }
        }
    }

    [Fact]
    public void Files_of_the_repository_that_the_pages_name_exist()
    {
        var named = Pages.SelectMany(page => FileName().Matches(Read(page)).Select(match => (Page: page, Name: match.Value.TrimEnd('/', '.')))).ToList();
        Assert.True(named.Count > 20);
        Assert.All(named, file => Assert.True(Path.Exists(Path.Combine(Manifests.Repository, file.Name)), $"{file.Page}: {file.Name}"));
    }

    [Fact]
    public void Tests_that_the_pages_name_exist()
    {
        var named = Pages.SelectMany(page => TestNames.NamedIn(Read(page)).Select(name => (Page: page, Name: name))).ToList();
        Assert.True(named.Count > 50);
        Assert.All(named, test => Assert.True(TestNames.All.Contains(test.Name), $"{test.Page}: {test.Name}"));
    }

    [Fact]
    public void Make_targets_that_the_pages_name_exist()
    {
        var targets = MakeTarget().Matches(Read("Makefile")).Select(match => match.Groups[1].Value).ToHashSet(StringComparer.Ordinal);
        var named = Pages.SelectMany(page => Code(page).SelectMany(code => Make().Matches(code)).Select(match => (Page: page, Target: match.Groups[1].Value))).ToList();
        Assert.True(named.Count > 30, $"only {named.Count} were found");
        Assert.All(named, make => Assert.True(targets.Contains(make.Target), $"{make.Page}: make {make.Target}"));
    }

    [Fact]
    public void Commands_that_the_pages_show_exist_with_their_flags()
    {
        var commands = Leaves(CommandLine.Root(), "").ToDictionary(leaf => leaf.Name, leaf => leaf.Flags);
        var shown = Pages.SelectMany(page => Code(page).SelectMany(code => Invocation().Matches(code)).Select(match => (Page: page, Match: match))).ToList();
        Assert.True(shown.Count > 60, $"only {shown.Count} were found");
        foreach (var (page, match) in shown)
        {
            Assert.True(commands.TryGetValue(match.Groups[1].Value, out var flags), $"{page}: {match.Value}");
            Assert.All(Flag().Matches(match.Groups[2].Value), flag => Assert.True(flags.Contains(flag.Value), $"{page}: {match.Value}"));
        }
    }

    private static IEnumerable<(string Name, HashSet<string> Flags)> Leaves(System.CommandLine.Command command, string name) => command.Subcommands.Count == 0
        ? [(name, [.. command.Options.SelectMany(option => option.Aliases.Append(option.Name)), "--help"])]
        : command.Subcommands.SelectMany(sub => Leaves(sub, $"{name} {sub.Name}".Trim()));

    /// <summary>What stands between marks of code on a page; the lines of a command that goes on are one.</summary>
    private static IEnumerable<string> Code(string page) =>
        CodeOf().Matches(Read(page)).Select(match => match.Value.Replace("\\\n", " ", StringComparison.Ordinal));

    [Fact]
    public void The_debugging_page_calls_every_rpc_that_call_knows()
    {
        var page = Read("docs/debugging.md");
        var method = CommandLine.Root().Subcommands.Single(command => command.Name == "call").Arguments.Single();
        var methods = method.GetCompletions(System.CommandLine.Completions.CompletionContext.Empty).Select(completion => completion.Label).ToList();
        Assert.Equal(20, methods.Count);
        Assert.All(methods, name => Assert.Contains($"`call {name}", page, StringComparison.Ordinal));
    }

    [Fact]
    public void Every_code_that_an_error_can_become_has_a_section()
    {
        var source = File.ReadAllText(Path.Combine(Manifests.Repository, "src", "RbdReplication.Csi", "Grpc", "StatusInterceptor.cs"));
        var page = Read("docs/debugging.md");
        var readme = Read("README.md");
        var codes = StatusName().Matches(source).Select(match => Enum.Parse<Grpc.Core.StatusCode>(match.Groups[1].Value)).Distinct()
            .Except([Grpc.Core.StatusCode.OK, Grpc.Core.StatusCode.Cancelled]).ToList();
        Assert.True(codes.Count >= 9);
        Assert.All(codes, code => Assert.Contains($"\n### {CallCommand.GrpcName(code)}", page, StringComparison.Ordinal));
        Assert.All(codes, code => Assert.Contains($"\n| {CallCommand.GrpcName(code)} |", readme, StringComparison.Ordinal));
    }

    [Fact]
    public void The_debugging_page_has_every_message_that_a_call_can_end_with()
    {
        var page = Blanks().Replace(Read("docs/debugging.md"), " ");
        var messages = ((string[])["src/RbdReplication.Core", "src/RbdReplication.Csi/Grpc", "src/RbdReplication.PersistentVolumes"])
            .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(Manifests.Repository, folder), "*.cs", SearchOption.AllDirectories))
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal) && !NoMessages.Contains(Path.GetFileName(file)))
            .SelectMany(File.ReadLines).Where(line => !NoMessage().IsMatch(line))
            .SelectMany(line => Literal().Matches(line)).Select(literal => literal.Groups[1].Value.Replace("\\\"", "\"", StringComparison.Ordinal))
            .Where(message => FixedWords(message).Any()).Distinct().ToList();
        Assert.True(messages.Count > 80, $"only {messages.Count} messages were found in the code");
        var missing = messages.Where(message => !FixedWords(message).Any(words => page.Contains(words, StringComparison.Ordinal))).ToList();
        Assert.True(missing.Count == 0, "docs/debugging.md has no word of:\n" + string.Join("\n", missing));
    }

    [Fact]
    public void The_page_about_the_page_has_every_field_of_its_JSON_and_every_reason()
    {
        var page = Blanks().Replace(Read("docs/page.md"), " ");
        var json = Csi.Page.FleetJsonContext.Default;
        IEnumerable<System.Text.Json.Serialization.Metadata.JsonTypeInfo> types = [json.FleetJson, json.PoolJson, json.VolumeJson, json.GroupJson, json.WordsJson, json.OperationJson];
        Assert.All(types.SelectMany(type => type.Properties).Where(property => property.Get is not null), field => Assert.Contains($"`{field.Name}`", page, StringComparison.Ordinal));
        var reasons = File.ReadLines(Path.Combine(Manifests.Repository, "src/RbdReplication.Core/Fleet/FailoverSafety.cs")).Where(line => !NoMessage().IsMatch(line))
            .SelectMany(line => Literal().Matches(line)).Select(literal => literal.Groups[1].Value).Where(reason => FixedWords(reason).Any()).ToList();
        Assert.True(reasons.Count > 8);
        Assert.All(reasons, reason => Assert.True(FixedWords(reason).Any(words => page.Contains(words, StringComparison.Ordinal)), reason));
    }

    // What their texts say is part of another message, which the page has: what is wrong with a handle, a parameter, a file or
    // a journal entry. What a failover would do is on docs/page.md. The rest are names of metrics.
    private static readonly string[] NoMessages =
        ["VolumeHandle.cs", "ReplicationParameters.cs", "ClusterConfig.cs", "ClusterMapping.cs", "ReservationPlan.cs", "CsiJournal.cs", "GeneratorMetrics.cs", "CephMetrics.cs", "FailoverSafety.cs", "StatusWords.cs"];

    // Words that a person can search for: three or more between what varies.
    private static IEnumerable<string> FixedWords(string message) =>
        Hole().Split(message).SelectMany(part => part.Split(';', ':', ',', '(', ')')).Select(part => part.Trim(' ', '.')).Where(part => part.Count(c => c == ' ') >= 2);

    private static string Read(string page) => File.ReadAllText(Path.Combine(Manifests.Repository, page));

    // As the common renderers make them: lower case, blanks to hyphens, other marks dropped.
    private static HashSet<string> Headings(string text) =>
        [.. Heading().Matches(text).Select(match => Mark().Replace(match.Groups[1].Value.ToLowerInvariant(), "").Replace(' ', '-'))];

    [GeneratedRegex(@"\]\(([^)#:]*)(?:#([^)]+))?\)")]
    private static partial Regex Link();

    // Comments, log lines, reasons to go ahead, what was being done when something else failed, and words of the daemons.
    [GeneratedRegex(@"^\s*//|LoggerMessage|Decision\.Allow\(|ResyncStep\.(Ready|Follow)|From\(e|ReadAsync\(|place = |InvalidOperationException|const string \w+Words|Refused\(""get|""rbd mirror |events\.Normal")]
    private static partial Regex NoMessage();

    [GeneratedRegex(@"\$?""((?:[^""\\{]|\\.|\{[^{}]*\})*)""")]
    private static partial Regex Literal();

    [GeneratedRegex(@"\{[^{}]*\}")]
    private static partial Regex Hole();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blanks();

    [GeneratedRegex("^#+ (.+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex("[^a-z0-9_ -]")]
    private static partial Regex Mark();

    [GeneratedRegex(@"(?<=[`( ])(?:src|deploy|docs|proto|tests)/(?!rbd-replication\b|RbdReplication\.\w+/bin/)[A-Za-z0-9_./-]+")]
    private static partial Regex FileName();

    [GeneratedRegex("StatusCode\\.([A-Z][A-Za-z]+)")]
    private static partial Regex StatusName();

    [GeneratedRegex(@"^```.*?^```|`[^`\n]+`", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex CodeOf();

    [GeneratedRegex(@"(?:^|[`$;&""] ?|=\S+ )make ([a-z][a-z-]*)", RegexOptions.Multiline)]
    private static partial Regex Make();

    [GeneratedRegex(@"^([a-z-]+):", RegexOptions.Multiline)]
    private static partial Regex MakeTarget();

    // After the program's name, or alone between marks of code.
    [GeneratedRegex(@"(?:(?:^ *|[$] |[/`])rbd-replication |\A`(?=(?:call|status|serve|omap-generator|volume (?:parse|compose|import)|drill (?:create|list|remove|points?))[ `]))((?:volume |dr |drill )?[a-z][a-z-]+)((?: [^\n|&>`]*)?)", RegexOptions.Multiline)]
    private static partial Regex Invocation();

    [GeneratedRegex(@"(?<= )--?[a-z][a-z-]*")]
    private static partial Regex Flag();
}
