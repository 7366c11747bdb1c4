namespace RbdReplication.Tests.Deploy;

/// <summary>The tables of <c>docs/relocation.md</c> by which relocation is decided: each row names its test.</summary>
public sealed class DecisionTableTests
{
    private static readonly string[] Sections = ["Demote", "Promote, unforced", "Disable", "Journal mode", "Resync"];

    [Fact]
    public void Every_row_of_the_decision_tables_has_a_test()
    {
        var rows = Rows(File.ReadAllText(Path.Combine(Manifests.Repository, "docs", "relocation.md"))).ToList();
        Assert.Equal(Sections, rows.Select(row => row.Section).Distinct());
        Assert.True(rows.Count > 70, $"only {rows.Count} rows were found");
        Assert.Empty(rows.Where(row => !IsTested(row.Cells)).Select(row => $"{row.Section}: {string.Join(" | ", row.Cells)}"));
    }

    [Theory]
    [InlineData("| seen | answer | test |\n|---|---|---|\n| a | b | `DecisionTableTests.Every_row_of_the_decision_tables_has_a_test` |", true)]
    [InlineData("| seen | answer | test |\n|---|---|---|\n| a | b | `SnapshotProcessTests.The_process_that_takes_snapshots_may_die_the_server_lives_and_the_next_call_succeeds` |", true)]
    [InlineData("| seen | answer | test |\n|---|---|---|\n| a | b | `SnapshotProcessTests.That_is_not_there` |", false)]
    [InlineData("| seen | answer | test |\n|---|---|---|\n| a | b | `DecisionTableTests` |", false)]
    [InlineData("| seen | answer | test |\n|---|---|---|\n| a | b | |", false)]
    [InlineData("| seen | answer | test |\n|---|---|---|\n| a | `DecisionTableTests.Every_row_of_the_decision_tables_has_a_test` | |", false)]
    [InlineData("| seen | answer |\n|---|---|\n| a | `DecisionTableTests.Every_row_of_the_decision_tables_has_a_test` |", false)]
    public void A_row_without_a_test_is_found(string table, bool isTested) =>
        Assert.Equal(isTested, Rows($"# Page\n\n## Demote\n\n{table}\n\n## Results\n\n| no | test |\n|---|---|\n| a | b |\n").All(row => IsTested(row.Cells)));

    private static bool IsTested(string[] cells)
    {
        var named = TestNames.NamedIn(cells[^1]).ToList();
        return named.Count > 0 && named.All(test => test.Contains('.', StringComparison.Ordinal) && TestNames.All.Contains(test));
    }

    // The rows below the head of each table; where its last column is not the tests', the head is one that has none.
    private static IEnumerable<(string Section, string[] Cells)> Rows(string page)
    {
        var (section, line, isTested) = ("", 0, false);
        foreach (var text in page.Split('\n'))
        {
            if (text.StartsWith("## ", StringComparison.Ordinal))
                section = text[3..];
            line = text.StartsWith('|') ? line + 1 : 0;
            if (line == 0 || !Sections.Contains(section))
                continue;
            string[] cells = [.. text.Trim().Trim('|').Split('|').Select(cell => cell.Trim())];
            if (line == 1)
                isTested = cells[^1] == "test";
            if (line > 2 || (line == 1 && !isTested))
                yield return (section, cells);
        }
    }
}
