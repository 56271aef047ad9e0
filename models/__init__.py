"""The model: data preparation, training stages, evaluation, scoring, and what serving needs of it.

Data
    examples      rows of snapshots as token ids, split into training and validation rows
    curation      sentence embeddings, near-duplicates, and the checks of the seed corpus
    methods       chooses the training methods from the feedback that is available
    teacher       a language model at an endpoint rewrites messages for the others to learn from
    teacher_requests  which messages a teacher rewrites, and how
    drafts        a teacher's drafts: asked for, checked and judged
    replies       answers of endpoints in a file, so that nothing is asked twice

Training stages, each a command: `python -m models.<stage> configs/<stage>.yaml`
    sft           supervised fine-tuning on demonstrations
    reward        reward model on preference pairs
    dpo           direct preference optimisation on preference pairs
    kto           Kahneman-Tversky optimisation on single good and bad rewrites
    grpo          group relative policy optimisation on sampled rewrites
    training      what the stages share: config, result, row order, training loop, curves
    checkpoints   the newest complete checkpoint of an interrupted run
    health        healthy ranges of training figures; stops a run that leaves them
    tagger        trains the tagger of the edit writer on readers' labels
    edit_dpo      trains the tagger on people's feedback
    edit_votes    what feedback says about the edits of a message
    progress      progress bar and remaining time
    curves        curves of logged figures; in Jupyter while a stage trains
    devices       where a model computes, and in which number format
    loading       loads bases, tokenizers and adapters
    shallow       cuts a base to its first layers, for trials

Evaluation
    evaluation    measures a version against a champion and two baselines
    results       the result types, free of torch
    gate          accepts or rejects a challenger
    scoreboard    scores of rewrites, and their means with intervals
    score_plots   plots of scores with their intervals
    judge         an LLM as judge of two rewrites
    rules         the rule baseline
    reading       sheets of rewrites for blind readers, and their labels joined
    audit         an audit of the judges: who asks them, what they are worth, what they may be used for
    calibration   whether a judge's probabilities are true, and its plot
    length_bias   how much of a judge's score is length, and its plot
    probes        texts that no judge should like, which judges fall for them, and their plot
    labels        what the labels say: agreement, usable rewrites, whether a score sees them
    label_shares  counts and shares of the labels, and their plot
    sheets        what a blind reader sees of a rewrite
    blind_batch   a batch that one person labels blind, and their agreement with others
    side_by_side  rewrites of the same messages by two versions
    output_shares  shares of stored rewrites: unchanged, facts lost
    validity      whether a score is a valid judge of a policy, by the labels of its rewrites
    decoding      greedy rewrites by a version's quantised weights
    card          the model card of a version
    versions      the MLflow registry
    artifacts     the files of MLflow's runs

Writing
    edits/        the edit writer: rules propose, the tagger decides
    languages     the language of a message
    written_edits  a language model that writes edit scripts; a measurement

Analysis
    analysis/     how a message will be read, by which of its words, and which rewrite would help

Scoring
    scoring       facts kept, meaning, chatter, insult, repetition, and what can be checked of a rewrite
    tone          whether a rewrite did what was asked, as a calibrated probability
    tone_words    the word lists of `tone`
    tone_fit      fits the weights of `tone` (`tone.json`)
    fidelity      faults of a rewrite's meaning, and one score of them
    fidelity_words  the word lists of `fidelity`
    fidelity_report  measures `fidelity` on what readers said, and on damaged rewrites
    fluency       perplexity under the bare base
    facts         finds facts in a message and checks that a rewrite keeps them
    metrics/      the scores for Hugging Face `evaluate`, loaded by path

Serving
    export        writes a version folder with quantised weights
    prompts       the prompt renderer; `frame-2.yaml` has the text of frame-2
    endpoint      an OpenAI-compatible endpoint of a language model, a question, its answer, its errors
    chat          a client of such an endpoint
    llm           a model that we did not train, as a version: its `llm.json` and its rewrites
    costs         what rewrites cost: tokens, a vendor's price, CPU time
    own_terms     terms of dictionaries: those that are replaced, and those that are kept
    protection    masks facts before the model and restores them after
    preview       a draft while it is written, for a reader who may leave
    version_file  a version's form, languages and engine
    shipped       the folder champion/: the tagger that a new installation serves
"""

import logging

# peft imports bitsandbytes, which warns about an optional kernel at every start.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
