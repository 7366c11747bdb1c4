using System.Text.RegularExpressions;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.KubernetesTests.Guide;

/// <summary>The steps with <c>kubectl</c> of docs/disaster-recovery.md, in its own words.</summary>
internal sealed partial class GuideSteps
{
    /// <summary>Sections with what Rook, the operator and helm need, and the one about <c>dr</c>, whose commands have tests of their own.</summary>
    private static readonly string[] Elsewhere = ["Set up", "The procedures as commands"];

    /// <summary>How the steps of Rook begin that stand in other sections.</summary>
    private const string OfRook = "kubectl -n rook-ceph ";

    private readonly List<(string Section, string Command)> _steps;
    private readonly HashSet<(string Section, string Command)> _run = [];

    private GuideSteps(List<(string, string)> steps) => _steps = steps;

    /// <summary>Steps that nobody has taken.</summary>
    public IReadOnlyList<string> Left => [.. _steps.Where(step => !_run.Contains(step)).Select(step => $"{step.Section}: {step.Command}")];

    public static async Task<GuideSteps> ReadAsync()
    {
        var text = await File.ReadAllTextAsync(Path.Combine(TwoSites.Repository, "docs", "disaster-recovery.md"), CancellationToken.None);
        var steps = new List<(string, string)>();
        var (chapter, section) = ("", "");
        foreach (Match match in Part().Matches(text))
        {
            if (match.Groups["level"].Success)
            {
                section = match.Groups["title"].Value;
                if (match.Groups["level"].Length == 2)
                    chapter = section;
            }
            else if (!Elsewhere.Contains(chapter))
            {
                var commands = match.Groups["block"].Success ? Block().Matches(match.Groups["block"].Value).Select(line => line.Value) : [match.Groups["inline"].Value];
                steps.AddRange(commands.Select(command => (section, Remark().Replace(command, "").Trim())).Where(step => !step.Item2.StartsWith(OfRook, StringComparison.Ordinal)));
            }
        }
        return new GuideSteps(steps);
    }

    /// <summary>The steps of a section that begin so, in its order and each once; they count as taken.</summary>
    public IReadOnlyList<string> Take(string section, string begins = "kubectl ")
    {
        var found = _steps.Where(step => step.Section == section && step.Command.StartsWith(begins, StringComparison.Ordinal)).ToList();
        Assert.NotEmpty(found);
        _run.UnionWith(found);
        return [.. found.Select(step => step.Command).Distinct(StringComparer.Ordinal)];
    }

    // A heading, a block of code, or a command within a sentence.
    [GeneratedRegex(@"^(?<level>\#{2,4}) (?<title>.+)$|^ *```\n(?<block>(.|\n)*?)^ *```$|`(?<inline>kubectl [a-z][^`]*)`", RegexOptions.Multiline | RegexOptions.ExplicitCapture)]
    private static partial Regex Part();

    // A line, with those that it is continued on behind a pipe or a comma.
    [GeneratedRegex(@"^ *kubectl (.*[|,]\n)*.*$", RegexOptions.Multiline | RegexOptions.ExplicitCapture)]
    private static partial Regex Block();

    [GeneratedRegex(@" +\# .*$", RegexOptions.Multiline)]
    private static partial Regex Remark();
}
